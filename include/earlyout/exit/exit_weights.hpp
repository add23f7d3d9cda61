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

/// One linear map as an `exit_weights` stores it: out = weight x + bias. Views; they live as long as it does.
struct linear_weights {
    std::size_t outputs = 0;
    std::size_t inputs = 0;
    std::span<const float> weight;  ///< [outputs, inputs], row-major
    std::span<const float> bias;    ///< [outputs], or empty: none
};

/// A low-rank residual map as an `exit_weights` stores it: h + up down h. Views likewise.
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
    std::string weight_formats;  ///< the formats the network computed with: "f32", or several as "f32, int8"

    friend bool operator==(const fitted_model&, const fitted_model&) = default;
};

/// What was fitted to a model so that it can exit early: layers, gates, heads, thresholds. A store of named
/// float tensors with accessors for the names that have a meaning:
///
///     gate.weight [outputs, d_model], gate.bias [outputs]      one gate shared by all layers
///     gate.LAYER.weight, gate.LAYER.bias                       the gate after one layer
///     head.LAYER.weight [vocab, d_model], head.LAYER.bias      an output matrix of its own after one layer
///     adapter.LAYER.down.weight [rank, d_model],
///     adapter.LAYER.up.weight [d_model, rank]                  what is added to the hidden state after one layer
///                                                              before the model's own output
///     thresholds.NAME [1], or one for each exit layer
///
/// Other names are kept as they are. Moving it leaves all views valid.
class exit_weights {
public:
    struct tensor_values {
        std::vector<std::size_t> shape;
        std::vector<float> values;
    };
    using tensor_map = std::map<std::string, tensor_values, std::less<>>;
    using text_map = std::map<std::string, std::string, std::less<>>;

    /// @param source where it comes from, for error messages (a path)
    explicit exit_weights(std::string source = "exit weights") : source_(std::move(source)) {}
    exit_weights(exit_weights&&) = default;
    exit_weights& operator=(exit_weights&&) = default;
    exit_weights(const exit_weights&) = delete;
    exit_weights& operator=(const exit_weights&) = delete;
    ~exit_weights() = default;

    [[nodiscard]] const std::string& source() const noexcept { return source_; }

    /// The model these were fitted to.
    [[nodiscard]] const fitted_model& model() const noexcept { return model_; }
    exit_weights& set_model(fitted_model model) {
        model_ = std::move(model);
        return *this;
    }

    /// Layers after which an exit is foreseen, numbered from 1, increasing.
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

    /// Stores a tensor, row-major, in place of one of the same name.
    /// @throws error (wrong_shape) when the values are not as many as the shape says, (wrong_value) when one is
    ///         not finite
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
    /// The tensor of that name, or nullptr.
    [[nodiscard]] const tensor_values* find(std::string_view name) const noexcept {
        const auto found = tensors_.find(name);
        return found == tensors_.end() ? nullptr : &found->second;
    }
    /// @throws error (missing_tensor)
    [[nodiscard]] const tensor_values& tensor(std::string_view name) const {
        if (const tensor_values* found = find(name)) return *found;
        fail(errc::missing_tensor, source_, ": tensor '", name, "' is missing");
    }

    /// `NAME.weight` [outputs, inputs] with `NAME.bias` [outputs] where there is one.
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

    [[nodiscard]] bool has_gate() const noexcept { return find("gate.weight") != nullptr; }
    [[nodiscard]] bool has_gate(std::size_t layer) const {
        return has_gate() || find(numbered("gate", layer) + ".weight") != nullptr;
    }
    /// The gate shared by all layers.
    /// @throws error (missing_tensor) when there is none
    [[nodiscard]] linear_weights gate() const { return linear("gate"); }
    /// The gate after a layer: its own, else the shared one.
    /// @throws error (missing_tensor) when there is neither
    [[nodiscard]] linear_weights gate(std::size_t layer) const {
        const std::string own = numbered("gate", layer);
        return has_gate() && find(own + ".weight") == nullptr ? gate() : linear(own);
    }

    [[nodiscard]] bool has_head(std::size_t layer) const {
        return find(numbered("head", layer) + ".weight") != nullptr;
    }
    /// The output matrix of its own after a layer: weight [vocab, d_model].
    /// @throws error (missing_tensor) when the layer has none
    [[nodiscard]] linear_weights head(std::size_t layer) const { return linear(numbered("head", layer)); }

    [[nodiscard]] bool has_adapter(std::size_t layer) const {
        return find(numbered("adapter", layer) + ".down.weight") != nullptr;
    }
    /// The adapter after a layer, without biases.
    /// @throws error (missing_tensor) when the layer has none, (wrong_shape) when its halves do not fit each other
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

    [[nodiscard]] bool has_threshold(std::string_view name) const {
        return find("thresholds." + std::string(name)) != nullptr;
    }
    /// A threshold that is the same for all layers.
    /// @throws error (missing_tensor), (wrong_shape) when there is one for each layer
    [[nodiscard]] float threshold(std::string_view name) const {
        const tensor_values& found = tensor("thresholds." + std::string(name));
        if (found.values.size() != 1) {
            fail(errc::wrong_shape, source_, ": tensor 'thresholds.", name, "': expected 1 value, found ",
                 found.values.size(), "; ask for that of a layer");
        }
        return found.values.front();
    }
    /// The threshold after an exit layer.
    /// @throws error (missing_tensor), (out_of_range) when the layer is not one of layers()
    [[nodiscard]] float threshold(std::string_view name, std::size_t layer) const {
        const tensor_values& found = tensor("thresholds." + std::string(name));
        if (found.values.size() == 1) return found.values.front();
        const auto at = static_cast<std::size_t>(std::ranges::find(layers_, layer) - layers_.begin());
        if (at >= found.values.size()) {
            fail(errc::out_of_range, source_, ": tensor 'thresholds.", name, "': expected an exit layer of ",
                 shape_to_string(layers_), ", found ", layer);
        }
        return found.values[at];
    }

    /// Free text: what the gate is, how and on what it was fitted.
    [[nodiscard]] const text_map& metadata() const noexcept { return metadata_; }
    exit_weights& set_metadata(std::string key, std::string value) {
        metadata_.insert_or_assign(std::move(key), std::move(value));
        return *this;
    }

    /// Refuses what does not agree with itself: layers beyond the model's, gates and heads of other widths, a
    /// number of thresholds that is neither 1 nor that of the exit layers.
    /// @throws error (wrong_shape, wrong_value, missing_tensor) naming the tensor
    void check() const {
        for (const std::size_t layer : layers_) check_layer("exit_layers", layer);
        for (const auto& [name, tensor] : tensors_) {
            if (name.starts_with("thresholds.")) {
                check_thresholds(name, tensor);
            } else if (name.starts_with("gate.") || name.starts_with("head.")) {
                check_linear(name);
            } else if (name.starts_with("adapter.")) {
                check_adapter(name);
            }
        }
    }

private:
    static std::string numbered(std::string_view what, std::size_t layer) {
        return std::string(what) + "." + std::to_string(layer);
    }

    void check_layer(std::string_view name, std::size_t layer) const {
        if (layer == 0 || layer > model_.layers) {
            fail(errc::wrong_value, source_, ": '", name, "': expected layers 1 .. ", model_.layers, ", found ", layer);
        }
    }

    void check_thresholds(const std::string& name, const tensor_values& tensor) const {
        const std::size_t count = tensor.values.size();
        if (count != 1 && (count != layers_.size() || count == 0)) {
            fail(errc::wrong_shape, source_, ": tensor '", name, "': expected 1 value or one for each of ",
                 layers_.size(), " exit layers, found ", count);
        }
    }

    /// `name` is gate.weight, gate.bias, or gate.LAYER.weight and the like with head.
    void check_linear(const std::string& name) const {
        const std::size_t dot = name.rfind('.');
        const std::string stem = name.substr(0, dot);
        const std::string_view part = std::string_view(name).substr(dot + 1);
        const bool is_head = stem.starts_with("head");
        if (part != "weight" && part != "bias") fail_name(name);
        if (stem != "gate") (void)layer_in(name, std::string_view(stem).substr(stem.find('.') + 1));
        const linear_weights found = linear(stem);
        if (found.inputs != model_.d_model || found.outputs == 0 || (is_head && found.outputs != model_.vocab)) {
            const std::string rows = is_head ? std::to_string(model_.vocab) : "outputs";
            fail(errc::wrong_shape, source_, ": tensor '", stem, ".weight': expected shape [", rows, ", ",
                 model_.d_model, "], found [", found.outputs, ", ", found.inputs, "]");
        }
    }

    /// `name` is adapter.LAYER.down.weight and the like.
    void check_adapter(const std::string& name) const {
        const std::size_t begin = name.find('.') + 1;
        const std::size_t end = std::min(name.find('.', begin), name.size());
        const std::string_view rest = std::string_view(name).substr(end);
        if (rest != ".down.weight" && rest != ".up.weight") fail_name(name);
        const std::size_t layer = layer_in(name, std::string_view(name).substr(begin, end - begin));
        const adapter_weights found = adapter(layer);
        if (found.down.inputs != model_.d_model || found.down.outputs > model_.d_model) {
            fail(errc::wrong_shape, source_, ": tensor 'adapter.", layer, ".down.weight': expected shape [rank, ",
                 model_.d_model, "] with a rank of at most that, found [", found.down.outputs, ", ", found.down.inputs,
                 "]");
        }
    }

    /// The layer that a tensor's name holds.
    [[nodiscard]] std::size_t layer_in(const std::string& name, std::string_view digits) const {
        std::size_t layer = 0;
        const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), layer);
        if (failed != std::errc{} || std::to_string(layer) != digits) fail_name(name);
        check_layer(name, layer);
        return layer;
    }

    [[noreturn]] void fail_name(const std::string& name) const {
        fail(
            errc::malformed_file, source_, ": tensor '", name,
            "': expected gate.weight, gate.bias, gate.LAYER or head.LAYER with .weight or .bias, or adapter.LAYER with "
            ".down.weight or .up.weight");
    }

    std::string source_;
    fitted_model model_;
    std::vector<std::size_t> layers_;
    tensor_map tensors_;
    text_map metadata_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
