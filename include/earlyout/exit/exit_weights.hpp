// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_EXIT_WEIGHTS_HPP
#define EARLYOUT_EXIT_EXIT_WEIGHTS_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/weights/checkpoint.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// One linear map as stored in an `exit_weights`: out = weight x + bias. Views, valid as long as it is.
struct linear_weights {
    std::size_t outputs = 0;
    std::size_t inputs = 0;
    std::span<const float> weight;  ///< [outputs, inputs], row-major
    std::span<const float> bias;    ///< [outputs], or empty: none
};

/// A low-rank residual map as stored in an `exit_weights`: h + up down h. Views, likewise.
struct adapter_weights {
    linear_weights down;  ///< [rank, d_model]
    linear_weights up;    ///< [d_model, rank]
};

/// The model that exits were fitted to.
struct fitted_model {
    std::size_t layers = 0;
    std::size_t d_model = 0;
    std::size_t vocab = 0;
    std::string fingerprint;     ///< of the source tensors, 16 hexadecimal digits
    std::string weight_formats;  ///< the formats that the network computed with: "f32", or several as "f32, int8"

    friend bool operator==(const fitted_model&, const fitted_model&) = default;
};

/// What was fitted to a model so that it can exit early: layers, gates, heads, and the policies chosen with them. A
/// store of named float tensors with accessors for the names that have a meaning:
///
///     GATE.TENSOR, GATE.LAYER.TENSOR                           a gate of the catalogue, such as sec.weight or
///                                                              learn-to-exit.3.weight
///     head.LAYER.weight [vocab, d_model], head.LAYER.bias      an output matrix of its own after one layer
///     adapter.LAYER.down.weight [rank, d_model],
///     adapter.LAYER.up.weight [d_model, rank]                  what is added to the hidden state after one layer
///                                                              before the model's own output
///
/// Other names are kept as they are; check_exits() refuses tensors that do not fit. Moving it keeps all views valid.
class exit_weights {
public:
    struct tensor_values {
        std::vector<std::size_t> shape;
        std::vector<float> values;
    };
    using tensor_map = std::map<std::string, tensor_values, std::less<>>;
    using text_map = std::map<std::string, std::string, std::less<>>;

    /// @param source origin (a path), for error messages
    explicit exit_weights(std::string source = "exit weights") : source_(std::move(source)) {}
    exit_weights(exit_weights&&) = default;
    exit_weights& operator=(exit_weights&&) = default;
    exit_weights(const exit_weights&) = delete;
    exit_weights& operator=(const exit_weights&) = delete;
    ~exit_weights() = default;

    [[nodiscard]] const std::string& source() const noexcept { return source_; }

    /// Returns the model these were fitted to.
    [[nodiscard]] const fitted_model& model() const noexcept { return model_; }
    exit_weights& set_model(fitted_model model) {
        model_ = std::move(model);
        return *this;
    }

    /// Returns the layers after which exits were fitted, numbered from 1, increasing.
    [[nodiscard]] std::span<const std::size_t> layers() const noexcept { return layers_; }
    /// @throws error (wrong_value) when they are not increasing from 1
    exit_weights& set_layers(std::vector<std::size_t> layers) {
        std::size_t previous = 0;
        for (const std::size_t layer : layers) {
            if (layer <= previous) {
                fail(errc::wrong_value, source_, ": exit layers: expected increasing numbers from 1, found ",
                     shape_to_string(layers));
            }
            previous = layer;
        }
        layers_ = std::move(layers);
        return *this;
    }

    /// Stores a tensor, row-major, replacing any of the same name.
    /// @throws error (wrong_shape) when the number of values does not match the shape, (wrong_value) when one is not
    /// finite
    exit_weights& set(std::string name, std::vector<std::size_t> shape, std::vector<float> values) {
        const tensor_view view{name, dtype::f32, shape, {}};
        if (view.element_count() != values.size()) {
            fail(errc::wrong_shape, source_, ": tensor '", name, "': shape ", shape_to_string(shape), " does not hold ",
                 values.size(), " values");
        }
        for (const float value : values) {
            if (!std::isfinite(value)) {
                fail(errc::wrong_value, source_, ": tensor '", name, "': expected finite numbers, found ", value);
            }
        }
        tensors_.insert_or_assign(std::move(name), tensor_values{std::move(shape), std::move(values)});
        return *this;
    }
    [[nodiscard]] const tensor_map& tensors() const noexcept { return tensors_; }
    /// Returns the tensor of that name, or nullptr.
    [[nodiscard]] const tensor_values* find(std::string_view name) const noexcept {
        const auto found = tensors_.find(name);
        return found == tensors_.end() ? nullptr : &found->second;
    }
    /// Returns true if there is a tensor of a gate or head: `NAME.` and more.
    [[nodiscard]] bool has_tensors_of(std::string_view name) const {
        const std::string prefix = std::string(name) + ".";
        const auto first = tensors_.lower_bound(prefix);
        return first != tensors_.end() && first->first.starts_with(prefix);
    }
    /// @throws error (missing_tensor)
    [[nodiscard]] const tensor_values& tensor(std::string_view name) const {
        if (const tensor_values* found = find(name)) return *found;
        fail(errc::missing_tensor, source_, ": tensor '", name, "' is missing");
    }

    /// Returns `NAME.weight` [outputs, inputs] with `NAME.bias` [outputs] if there is one.
    /// @throws error (missing_tensor, wrong_shape)
    [[nodiscard]] linear_weights linear(std::string_view name) const {
        const std::string weight_name = std::string(name) + ".weight";
        const std::string bias_name = std::string(name) + ".bias";
        const tensor_values& weight = tensor(weight_name);
        if (weight.shape.size() != 2) {
            fail(errc::wrong_shape, source_, ": tensor '", weight_name, "': expected [outputs, inputs], found ",
                 shape_to_string(weight.shape));
        }
        linear_weights made{weight.shape[0], weight.shape[1], weight.values, {}};
        if (const tensor_values* bias = find(bias_name)) {
            if (bias->shape != std::vector{made.outputs}) {
                fail(errc::wrong_shape, source_, ": tensor '", bias_name, "': expected shape [", made.outputs,
                     "], found ", shape_to_string(bias->shape));
            }
            made.bias = bias->values;
        }
        return made;
    }

    [[nodiscard]] bool has_head(std::size_t layer) const {
        return find(numbered("head", layer) + ".weight") != nullptr;
    }
    /// Returns a layer's own output matrix: weight [vocab, d_model].
    /// @throws error (missing_tensor) when the layer has none
    [[nodiscard]] linear_weights head(std::size_t layer) const { return linear(numbered("head", layer)); }

    [[nodiscard]] bool has_adapter(std::size_t layer) const {
        return find(numbered("adapter", layer) + ".down.weight") != nullptr;
    }
    /// Returns the adapter after a layer, without biases.
    /// @throws error (missing_tensor) when the layer has none, (wrong_shape) when its halves do not match
    [[nodiscard]] adapter_weights adapter(std::size_t layer) const {
        const std::string stem = numbered("adapter", layer);
        const adapter_weights found{linear(stem + ".down"), linear(stem + ".up")};
        if (found.down.outputs == 0 || found.down.outputs != found.up.inputs || found.down.inputs != found.up.outputs ||
            !found.down.bias.empty() || !found.up.bias.empty()) {
            fail(errc::wrong_shape, source_, ": tensor '", stem, ".up.weight': expected shape [", found.down.inputs,
                 ", ", found.down.outputs, "] and no biases, found [", found.up.outputs, ", ", found.up.inputs, "]");
        }
        return found;
    }

    /// Returns a fitted policy as text (policy_spec): the one chosen for a gate, with its thresholds and layers, or,
    /// without a name, the best of all. Nothing if there is none.
    [[nodiscard]] std::optional<std::string_view> policy(std::string_view gate = {}) const {
        const auto found = metadata_.find(policy_key(gate));
        if (found == metadata_.end()) return std::nullopt;
        return found->second;
    }
    exit_weights& set_policy(std::string_view gate, std::string policy) {
        return set_metadata(policy_key(gate), std::move(policy));
    }

    /// Returns free text: what the gate is, how and on what it was fitted.
    [[nodiscard]] const text_map& metadata() const noexcept { return metadata_; }
    exit_weights& set_metadata(std::string key, std::string value) {
        metadata_.insert_or_assign(std::move(key), std::move(value));
        return *this;
    }

private:
    static std::string numbered(std::string_view what, std::size_t layer) {
        return std::string(what) + "." + std::to_string(layer);
    }

    static std::string policy_key(std::string_view gate) {
        return gate.empty() ? "policy" : "policy." + std::string(gate);
    }

    std::string source_;
    fitted_model model_;
    std::vector<std::size_t> layers_;
    tensor_map tensors_;
    text_map metadata_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
