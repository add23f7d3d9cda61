// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_DETAIL_CHECKPOINT_READER_HPP
#define EARLYOUT_MODELS_DETAIL_CHECKPOINT_READER_HPP

#include <earlyout/core/shape.hpp>
#include <earlyout/nn/feed_forward.hpp>
#include <earlyout/nn/fill_matrix.hpp>
#include <earlyout/nn/normalization.hpp>
#include <earlyout/weights/checkpoint.hpp>
#include <earlyout/weights/checkpoint_record.hpp>

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

/// Reads configuration values and tensors of a checkpoint, and refuses those that an architecture cannot use. Tensor
/// names are tried with a prefix first, which checkpoints of a model without its output matrix lack.
class checkpoint_reader {
public:
    /// @param prefix "model.", "transformer."
    /// @param record where reads are recorded
    checkpoint_reader(const checkpoint& from, std::string_view prefix, checkpoint_record* record = nullptr)
        : from_(from), prefix_(prefix), record_(record) {}

    /// Returns the checkpoint's origin, for error messages.
    [[nodiscard]] std::string source() const { return from_.source(); }

    // Configuration values as in configuration.
    [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key) const {
        return note(key, from_.integer(key), checkpoint_record::kind::integer);
    }
    [[nodiscard]] std::optional<double> real(std::string_view key) const {
        return note(key, from_.real(key), checkpoint_record::kind::real);
    }
    [[nodiscard]] std::optional<bool> boolean(std::string_view key) const {
        return note(key, from_.boolean(key), checkpoint_record::kind::boolean);
    }
    [[nodiscard]] std::optional<std::string> text(std::string_view key) const {
        return note(key, from_.text(key), checkpoint_record::kind::text);
    }
    [[nodiscard]] bool is_null(std::string_view key) const {
        const bool null = from_.is_null(key);
        if (null && record_ != nullptr) record_->add(key, checkpoint_record::kind::null);
        return null;
    }
    [[nodiscard]] std::optional<std::vector<std::string>> members(std::string_view key) const {
        return from_.members(key);
    }
    /// Returns the tensor of that exact name, or nullptr.
    [[nodiscard]] const tensor_view* find(std::string_view name) const {
        const tensor_view* const found = from_.find(name);
        if (found != nullptr && record_ != nullptr) record_->add(name, checkpoint_record::kind::tensor);
        return found;
    }

    /// Returns a required size.
    [[nodiscard]] std::size_t size(std::string_view key) const {
        const std::optional<std::size_t> found = optional_size(key);
        if (!found) fail(errc::malformed_file, source(), ": '", key, "' is missing");
        return *found;
    }
    [[nodiscard]] std::optional<std::size_t> optional_size(std::string_view key) const {
        const auto value = integer(key);
        if (!value) return std::nullopt;
        if (*value <= 0) {
            fail(errc::wrong_value, source(), ": '", key, "': expected a positive number, found ", *value);
        }
        return static_cast<std::size_t>(*value);
    }
    /// Returns a size: `absent` if the key is absent, none if it is null.
    [[nodiscard]] std::optional<std::size_t> optional_size(std::string_view key, std::size_t absent) const {
        const std::optional<std::size_t> found = optional_size(key);
        return found || is_null(key) ? found : absent;
    }

    /// Returns a number above 0 and below `limit`.
    [[nodiscard]] double real(std::string_view key, double otherwise, double limit) const {
        const double value = real(key).value_or(otherwise);
        if (!(value > 0.0 && value < limit)) {
            fail(errc::wrong_value, source(), ": '", key, "': expected a number between 0 and ", limit, ", found ",
                 value);
        }
        return value;
    }
    /// Returns a factor or a limit that is far from the smallest and the largest float.
    [[nodiscard]] float factor(std::string_view key, double otherwise) const {
        const double value = real(key).value_or(otherwise);
        if (!(value >= 1e-6 && value <= 1e6)) {
            fail(errc::wrong_value, source(), ": '", key, "': expected a number from 1e-6 to 1e6, found ", value);
        }
        return static_cast<float>(value);
    }
    /// Returns the constant that keeps a norm from dividing by zero.
    [[nodiscard]] float epsilon(std::string_view key, double otherwise) const {
        const auto value = static_cast<float>(real(key, otherwise, 1.0));
        if (!(value >= std::numeric_limits<float>::min())) {  // which rounds to 0 or to a subnormal
            fail(errc::wrong_value, source(), ": '", key, "': expected at least ", std::numeric_limits<float>::min(),
                 ", found ", real(key, otherwise, 1.0));
        }
        return value;
    }
    [[nodiscard]] bool boolean(std::string_view key, bool otherwise) const { return boolean(key).value_or(otherwise); }

    /// Returns a text that must be one of `known`.
    [[nodiscard]] std::string text(std::string_view key, std::initializer_list<std::string_view> known,
                                   std::string_view otherwise) const {
        const std::string value = text(key).value_or(std::string(otherwise));
        if (std::ranges::find(known, value) != known.end()) return value;
        std::string names;
        for (const std::string_view name : known) names.append(names.empty() ? "" : ", ").append(name);
        fail(errc::unsupported, source(), ": '", key, "': expected one of ", names, "; found '", value, "'");
    }
    /// Returns the activation function that a configuration names as Hugging Face does.
    [[nodiscard]] activation activation_function(std::string_view key, std::string_view otherwise) const {
        const std::string name =
            text(key, {"gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu", "relu", "silu", "swish"}, otherwise);
        if (name == "gelu") return activation::gelu_erf;
        if (name == "relu") return activation::relu;
        if (name == "silu" || name == "swish") return activation::silu;
        return activation::gelu_tanh;
    }
    /// Returns that of `hidden_act`; `hidden_activation`, the name in some files, must be the same.
    [[nodiscard]] activation hidden_activation(std::string_view otherwise) const {
        const bool other_only = !text("hidden_act") && text("hidden_activation");
        const activation made = activation_function(other_only ? "hidden_activation" : "hidden_act", otherwise);
        if (const auto other = text("hidden_activation");
            other && activation_function("hidden_activation", otherwise) != made) {
            fail(errc::unsupported, source(), ": 'hidden_activation': expected the same as 'hidden_act', found '",
                 *other, "'");
        }
        return made;
    }
    /// Refuses a feature that the architecture does not implement.
    void refuse(std::string_view key) const {
        if (boolean(key, false)) {
            fail(errc::unsupported, source(), ": '", key, "': this architecture runs without it, found true");
        }
    }

    /// Returns the width of a head: as given, or the model's divided by the number of heads.
    [[nodiscard]] std::size_t head_dim(const model_shape& s, std::string_view width_key,
                                       std::string_view heads_key) const {
        if (s.d_model % s.heads != 0) {
            fail(errc::wrong_value, source(), ": '", width_key, "': expected a multiple of ", heads_key, " = ", s.heads,
                 ", found ", s.d_model);
        }
        return s.d_model / s.heads;
    }

    /// Returns the name under which a tensor is stored.
    [[nodiscard]] std::string stored_name(std::string_view name) const {
        std::string prefixed = std::string(prefix_).append(name);
        return find(prefixed) != nullptr ? std::move(prefixed) : std::string(name);
    }
    [[nodiscard]] bool has(std::string_view name) const { return find(stored_name(name)) != nullptr; }
    /// Returns the tensor of that name with or without the prefix, which must have this shape.
    [[nodiscard]] const tensor_view& require(const std::string& name, std::initializer_list<std::size_t> shape) const {
        return require_exactly(stored_name(name), shape);
    }
    /// The same, without trying the prefix.
    [[nodiscard]] const tensor_view& require_exactly(std::string_view name,
                                                     std::initializer_list<std::size_t> shape) const {
        (void)find(name);
        return find_tensor(from_, name, shape);
    }
    [[nodiscard]] std::vector<float> tensor(const std::string& name, std::initializer_list<std::size_t> shape) const {
        const tensor_view& stored = require(name, shape);
        std::vector<float> values(stored.element_count());
        to_floats(stored, values, source());
        return values;
    }
    /// Records that a tensor is not needed any more: checkpoint::consume().
    void consume(const tensor_view& tensor) const { from_.consume(tensor.bytes); }
    /// Reads the rows of a matrix a few at a time: body(row, rows).
    template <class Body>
    void read_rows(const tensor_view& matrix, Body body) const {
        earlyout::read_rows(from_, matrix, 0, matrix.shape.front(), body);
    }

    /// Reads a tensor of divisors.
    [[nodiscard]] std::vector<float> positive_tensor(const std::string& name,
                                                     std::initializer_list<std::size_t> shape) const {
        std::vector<float> values = tensor(name, shape);
        for (std::size_t i = 0; i < values.size(); ++i) {
            if (values[i] > 0.0f) continue;
            fail(errc::wrong_value, source(), ": tensor '", stored_name(name), "': element ", i,
                 ": expected a number above 0, found ", values[i]);
        }
        return values;
    }

    /// Fills the matrix of a linear layer; see fill_matrix. The parts name tensors without the prefix.
    template <class Linear>
    void fill(Linear& into, std::vector<matrix_part> parts, matrix_layout layout = matrix_layout::out_in) const {
        for (matrix_part& part : parts) {
            part.tensor = stored_name(part.tensor);
            (void)find(part.tensor);
        }
        fill_matrix(from_, parts, into, layout);
    }
    /// Fills it from one matrix, NAME.weight [out, in].
    template <class Linear>
    void fill(Linear& into, const std::string& name, matrix_layout layout = matrix_layout::out_in) const {
        fill(into, {{.tensor = name + ".weight", .stored_rows = into.out(), .count = into.out()}}, layout);
    }
    template <class Linear>
    void bias_rows(const std::string& name, std::size_t rows, Linear& into, std::size_t to = 0) const {
        const std::vector<float> values = tensor(name + ".bias", {rows});
        std::copy(values.begin(), values.end(), into.bias().begin() + static_cast<std::ptrdiff_t>(to));
    }
    /// Fills a linear layer from NAME.weight [out, in] and, if it has one, NAME.bias [out].
    template <class Linear>
    void fill_linear(const std::string& name, bool bias, Linear& into) const {
        fill(into, name);
        if (bias) bias_rows(name, into.out(), into);
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
    template <class T>
    std::optional<T> note(std::string_view key, std::optional<T> value, checkpoint_record::kind read_as) const {
        if (value && record_ != nullptr) record_->add(key, read_as);
        return value;
    }

    const checkpoint& from_;
    std::string_view prefix_;
    checkpoint_record* record_;
};

}  // namespace detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
