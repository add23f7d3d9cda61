// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_HEADS_ADAPTER_HEAD_HPP
#define EARLYOUT_EXIT_HEADS_ADAPTER_HEAD_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/shape.hpp>
#include <earlyout/exit/exit_head.hpp>
#include <earlyout/exit/exit_weights.hpp>
#include <earlyout/nn/linear.hpp>

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Adds a low-rank map for each exit that adapts its hidden state to the model's own output: logits = output(h + B A h)
/// with A: [rank, d_model], B: [d_model, rank]. Costs 2 rank d_model multiplications in addition to the output matrix,
/// and as many weights per layer; for cases where an output matrix for each exit (`own_head`) is too large. A layer
/// without an adapter uses `shared_head`.
/// @tparam Format of A and B, as a network's
template <class Format = f32>
class adapter_head {
public:
    static constexpr bool uses_lm_head = true;  ///< applies the model's LM head last and does not change its logits

    /// Packs `adapter.LAYER` of every layer that has one; `exits` are not needed afterwards. Copies share the weights.
    /// @throws error (missing_tensor) when no layer has one, (wrong_shape)
    explicit adapter_head(const exit_weights& exits, Format format = {}) {
        std::map<std::size_t, adapter> made;
        for (std::size_t layer = 1; layer <= exits.model().layers; ++layer) {
            if (!exits.has_adapter(layer)) continue;
            const adapter_weights from = exits.adapter(layer);
            made.emplace(layer, adapter{packed(from.down, format), packed(from.up, format)});
        }
        if (made.empty()) {
            fail(errc::missing_tensor, exits.source(),
                 ": tensor 'adapter.LAYER.down.weight' is missing for every layer");
        }
        adapters_ = std::make_shared<const std::map<std::size_t, adapter>>(std::move(made));
    }

    template <class Output>
    void operator()(std::size_t layer, matrix_view<const float> hidden, matrix_view<float> logits,
                    Output&& output) const {
        const auto found = adapters_->find(layer);
        if (found == adapters_->end()) {
            output(hidden, logits);
            return;
        }
        const auto& [down, up] = found->second;
        scratch_frame frame = output.frame();
        const matrix_view<float> inner = frame.matrix(hidden.rows(), down.out());
        const matrix_view<float> adapted = frame.matrix(hidden.rows(), up.out());
        output.multiply(down, hidden, inner);
        output.multiply(up, inner, adapted);
        for (std::size_t i = 0; i < hidden.rows(); ++i) {
            for (std::size_t k = 0; k < adapted.cols(); ++k) adapted.row(i)[k] += hidden.row(i)[k];
        }
        output(adapted, logits);
    }

    [[nodiscard]] std::size_t scratch_bytes(std::size_t rows) const noexcept {
        std::size_t most = 0;
        for (const auto& [layer, maps] : *adapters_) {
            most = std::max(most, earlyout::scratch_bytes<float>(rows * maps.down.out()) +
                                      earlyout::scratch_bytes<float>(rows * maps.up.out()) +
                                      maps.down.scratch_bytes(rows) + maps.up.scratch_bytes(rows));
        }
        return most;
    }

    /// Returns the bytes of all layers' maps.
    [[nodiscard]] std::size_t bytes() const noexcept {
        std::size_t sum = 0;
        for (const auto& [layer, maps] : *adapters_) sum += maps.down.bytes() + maps.up.bytes();
        return sum;
    }
    /// @throws error (mismatch) when the model has another width or fewer layers
    void check(const model_shape& shape) const {
        const auto& [layer, maps] = *adapters_->rbegin();
        if (shape.d_model != maps.down.in() || shape.layers < layer) {
            fail(errc::mismatch, "adapter_head: expected a model with d_model = ", maps.down.in(), " and at least ",
                 layer, " layers; found ", shape.d_model, " and ", shape.layers);
        }
    }

private:
    struct adapter {
        linear<Format> down;
        linear<Format> up;
    };

    static linear<Format> packed(const linear_weights& from, Format format) {
        linear<Format> map(from.outputs, from.inputs, "adapter_head", format);
        map.weight().set_rows(0, {from.weight.data(), from.outputs, from.inputs});
        return map;
    }

    std::shared_ptr<const std::map<std::size_t, adapter>> adapters_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
