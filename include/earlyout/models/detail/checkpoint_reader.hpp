// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_DETAIL_CHECKPOINT_READER_HPP
#define EARLYOUT_MODELS_DETAIL_CHECKPOINT_READER_HPP

#include <earlyout/core/checkpoint.hpp>
#include <earlyout/core/shape.hpp>
#include <earlyout/kernels/stored_rows.hpp>
#include <earlyout/nn/feed_forward.hpp>
#include <earlyout/nn/normalization.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

/// Reads configuration values and tensors of a checkpoint, and refuses what an architecture cannot use. Tensor names
/// are tried with a prefix first, which checkpoints of a model without its output matrix lack.
class checkpoint_reader {
public:
    /// @param prefix "model.", "transformer."
    checkpoint_reader(const checkpoint& from, std::string_view prefix) : from_(from), prefix_(prefix) {}

    [[nodiscard]] const checkpoint& from() const noexcept { return from_; }

    /// A size that must be there.
    [[nodiscard]] std::size_t size(std::string_view key) const {
        const std::optional<std::size_t> found = optional_size(key);
        if (!found) fail(errc::malformed_file, from_.source(), ": '", key, "' is missing");
        return *found;
    }
    [[nodiscard]] std::optional<std::size_t> optional_size(std::string_view key) const {
        const auto value = from_.integer(key);
        if (!value) return std::nullopt;
        if (*value <= 0) {
            fail(errc::wrong_value, from_.source(), ": '", key, "': expected a positive number, found ", *value);
        }
        return static_cast<std::size_t>(*value);
    }
    /// A size that is `absent` where the key is, and none where it is null.
    [[nodiscard]] std::optional<std::size_t> optional_size(std::string_view key, std::size_t absent) const {
        const std::optional<std::size_t> found = optional_size(key);
        return found || from_.is_null(key) ? found : absent;
    }

    /// A number above 0 and below `limit`.
    [[nodiscard]] double real(std::string_view key, double otherwise, double limit) const {
        const double value = from_.real(key).value_or(otherwise);
        if (!(value > 0.0 && value < limit)) {
            fail(errc::wrong_value, from_.source(), ": '", key, "': expected a number between 0 and ", limit,
                 ", found ", value);
        }
        return value;
    }
    /// The constant that keeps a norm from dividing by zero.
    [[nodiscard]] float epsilon(std::string_view key, double otherwise) const {
        const auto value = static_cast<float>(real(key, otherwise, 1.0));
        if (!(value >= std::numeric_limits<float>::min())) {  // which rounds to 0, or to next to nothing
            fail(errc::wrong_value, from_.source(), ": '", key, "': expected at least ",
                 std::numeric_limits<float>::min(), ", found ", real(key, otherwise, 1.0));
        }
        return value;
    }
    [[nodiscard]] bool boolean(std::string_view key, bool otherwise) const {
        return from_.boolean(key).value_or(otherwise);
    }

    /// A text that must be one of `known`.
    [[nodiscard]] std::string text(std::string_view key, std::initializer_list<std::string_view> known,
                                   std::string_view otherwise) const {
        const std::string value = from_.text(key).value_or(std::string(otherwise));
        if (std::ranges::find(known, value) != known.end()) return value;
        std::string names;
        for (const std::string_view name : known) names.append(names.empty() ? "" : ", ").append(name);
        fail(errc::unsupported, from_.source(), ": '", key, "': expected one of ", names, "; found '", value, "'");
    }
    /// The non-linearity that a configuration names as Hugging Face does.
    [[nodiscard]] activation activation_function(std::string_view key, std::string_view otherwise) const {
        const std::string name =
            text(key, {"gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu", "relu", "silu", "swish"}, otherwise);
        if (name == "gelu") return activation::gelu_erf;
        if (name == "relu") return activation::relu;
        if (name == "silu" || name == "swish") return activation::silu;
        return activation::gelu_tanh;
    }
    /// That of `hidden_act`; `hidden_activation`, as some call it, must be the same.
    [[nodiscard]] activation hidden_activation(std::string_view otherwise) const {
        const bool other_only = !from_.text("hidden_act") && from_.text("hidden_activation");
        const activation made = activation_function(other_only ? "hidden_activation" : "hidden_act", otherwise);
        if (const auto other = from_.text("hidden_activation");
            other && activation_function("hidden_activation", otherwise) != made) {
            fail(errc::unsupported, from_.source(), ": 'hidden_activation': expected the same as 'hidden_act', found '",
                 *other, "'");
        }
        return made;
    }
    /// Refuses a feature that the architecture runs without.
    void refuse(std::string_view key) const {
        if (boolean(key, false)) {
            fail(errc::unsupported, from_.source(), ": '", key, "': this architecture runs without it, found true");
        }
    }

    /// Width of a head: given, or the model's by the number of heads.
    [[nodiscard]] std::size_t head_dim(const model_shape& s, std::string_view width_key,
                                       std::string_view heads_key) const {
        if (s.d_model % s.heads != 0) {
            fail(errc::wrong_value, from_.source(), ": '", width_key, "': expected a multiple of ", heads_key, " = ",
                 s.heads, ", found ", s.d_model);
        }
        return s.d_model / s.heads;
    }

    /// The name under which a tensor is stored.
    [[nodiscard]] std::string stored_name(std::string_view name) const {
        std::string prefixed = std::string(prefix_).append(name);
        return from_.find(prefixed) != nullptr ? std::move(prefixed) : std::string(name);
    }
    [[nodiscard]] bool has(std::string_view name) const { return from_.find(stored_name(name)) != nullptr; }
    [[nodiscard]] const tensor_view& require(const std::string& name, std::initializer_list<std::size_t> shape) const {
        return find_tensor(from_, stored_name(name), shape);
    }
    [[nodiscard]] std::vector<float> tensor(const std::string& name, std::initializer_list<std::size_t> shape) const {
        return read_tensor(from_, stored_name(name), shape);
    }

    /// A tensor of numbers that others are divided by.
    [[nodiscard]] std::vector<float> positive_tensor(const std::string& name,
                                                     std::initializer_list<std::size_t> shape) const {
        std::vector<float> values = tensor(name, shape);
        for (std::size_t i = 0; i < values.size(); ++i) {
            if (values[i] > 0.0f) continue;
            fail(errc::wrong_value, from_.source(), ": tensor '", stored_name(name), "': element ", i,
                 ": expected a number above 0, found ", values[i]);
        }
        return values;
    }

    /// Gives a matrix that is to be as it is stored the format that holds all of these tensors, before any row is set.
    template <class Linear>
    void settle(Linear& into, std::initializer_list<std::string> names) const {
        if constexpr (requires { into.weight().settled(); }) {
            if (into.weight().settled() || from_.is_packed()) return;
            std::optional<any_format> common;
            for (const std::string& name : names) {
                const tensor_view* const tensor = from_.find(stored_name(name));
                if (tensor == nullptr) continue;
                const any_format own = kernels::format_of(tensor->type);
                common = common ? kernels::common_format(*common, own) : own;
            }
            if (common) into.weight().settle(*common);
        }
    }

    /// Takes over the matrix whose rows begin with those of this tensor, where the checkpoint has its matrices packed.
    /// @return whether it has, so that there is nothing to read
    template <class Linear>
    [[nodiscard]] bool take_packed(const tensor_view& tensor, Linear& into, std::size_t to = 0) const {
        if (from_.is_packed() && to == 0) {
            try {
                into.weight().adopt(from_.packed(tensor.name));
            } catch (const error& e) {
                fail(e.code(), from_.source(), ": tensor '", tensor.name, "': ", e.what());
            }
        }
        return from_.is_packed();
    }

    /// Rows first .. first + count - 1 of a stored matrix [rows, in] into the rows of a linear layer from `to` on:
    /// unrounded where the layer's format has the same codes.
    template <class Linear>
    void matrix_rows(const tensor_view& tensor, std::size_t first, std::size_t count, Linear& into,
                     std::size_t to = 0) const {
        if (take_packed(tensor, into, to)) return;
        if constexpr (requires { into.weight().settled(); }) into.weight().settle(kernels::format_of(tensor.type));
        from_.note_packed(tensor.name, to == 0 ? into.weight().share() : packed_weights{});
        if (kernels::take_rows(tensor, first, count, into.weight(), to)) return;
        read_rows(from_, tensor, first, count, [&](std::size_t row, matrix_view<const float> values) {
            into.weight().set_rows(to + row - first, values);
        });
    }
    template <class Linear>
    void matrix_rows(const std::string& name, std::size_t rows, std::size_t first, std::size_t count, Linear& into,
                     std::size_t to = 0) const {
        matrix_rows(require(name, {rows, into.in()}), first, count, into, to);
    }
    template <class Linear>
    void bias_rows(const std::string& name, std::size_t rows, Linear& into, std::size_t to = 0) const {
        const std::vector<float> values = tensor(name + ".bias", {rows});
        std::copy(values.begin(), values.end(), into.bias().begin() + static_cast<std::ptrdiff_t>(to));
    }
    /// NAME.weight [rows, in], and NAME.bias [rows] where it has one, into the rows of a linear layer from `to` on.
    template <class Linear>
    void linear_rows(const std::string& name, std::size_t rows, bool bias, Linear& into, std::size_t to = 0) const {
        matrix_rows(name + ".weight", rows, 0, rows, into, to);
        if (bias) bias_rows(name, rows, into, to);
    }

    template <std::size_t DModel>
    [[nodiscard]] layer_norm<DModel> read_layer_norm(const std::string& name, std::size_t d_model,
                                                     float epsilon) const {
        return {tensor(name + ".weight", {d_model}), tensor(name + ".bias", {d_model}), epsilon};
    }
    template <std::size_t DModel>
    [[nodiscard]] rms_norm<DModel> read_rms_norm(const std::string& name, std::size_t d_model, float epsilon) const {
        return {tensor(name + ".weight", {d_model}), epsilon};
    }

private:
    const checkpoint& from_;
    std::string_view prefix_;
};

}  // namespace detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
