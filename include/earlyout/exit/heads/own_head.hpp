// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_HEADS_OWN_HEAD_HPP
#define EARLYOUT_EXIT_HEADS_OWN_HEAD_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/shape.hpp>
#include <earlyout/exit/exit_head.hpp>
#include <earlyout/exit/exit_weights.hpp>
#include <earlyout/nn/linear.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// An output matrix for each exit, applied to the hidden state after the layer, without the final norm (Sun et al.,
/// ICSE 2024: untied, without bias): logits = W_layer h. A layer without one uses `shared_head`. An evaluation reads as
/// many bytes as the model's own head; each layer costs memory for one more output matrix.
/// @tparam Format of the weights, as a network's
template <class Format = f32>
class own_head {
public:
    /// Packs `head.LAYER` of every layer that has one; `exits` are not needed afterwards. Copies share the weights.
    /// @throws error (missing_tensor) when no layer has one, (wrong_shape)
    explicit own_head(const exit_weights& exits, Format format = {}) {
        std::map<std::size_t, linear<Format>> made;
        for (std::size_t layer = 1; layer <= exits.model().layers; ++layer) {
            if (!exits.has_head(layer)) continue;
            const linear_weights from = exits.head(layer);
            linear<Format> map(from.outputs, from.inputs, "own_head", format);
            map.weight().set_rows(0, {from.weight.data(), from.outputs, from.inputs});
            std::ranges::copy(from.bias, map.bias().begin());
            made.emplace(layer, std::move(map));
        }
        if (made.empty()) {
            fail(errc::missing_tensor, exits.source(), ": tensor 'head.LAYER.weight' is missing for every layer");
        }
        heads_ = std::make_shared<const std::map<std::size_t, linear<Format>>>(std::move(made));
    }

    template <class Output>
    void operator()(std::size_t layer, matrix_view<const float> hidden, matrix_view<float> logits,
                    Output&& output) const {
        if (const auto found = heads_->find(layer); found != heads_->end()) {
            output.multiply(found->second, hidden, logits);
        } else {
            output(hidden, logits);
        }
    }

    [[nodiscard]] std::size_t scratch_bytes(std::size_t rows) const noexcept {
        std::size_t most = 0;
        for (const auto& [layer, map] : *heads_) most = std::max(most, map.scratch_bytes(rows));
        return most;
    }

    /// Returns the bytes of all layers' matrices.
    [[nodiscard]] std::size_t bytes() const noexcept {
        std::size_t sum = 0;
        for (const auto& [layer, map] : *heads_) sum += map.bytes();
        return sum;
    }
    /// @throws error (mismatch) when the model's dimensions differ or it has fewer layers
    void check(const model_shape& shape) const {
        const auto& [layer, map] = *heads_->rbegin();
        if (shape.d_model != map.in() || shape.vocab != map.out() || shape.layers < layer) {
            fail(errc::mismatch, "own_head: expected a model with d_model = ", map.in(), ", a vocabulary of ",
                 map.out(), " and at least ", layer, " layers; found ", shape.d_model, ", ", shape.vocab, " and ",
                 shape.layers);
        }
    }

private:
    std::shared_ptr<const std::map<std::size_t, linear<Format>>> heads_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
