// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_WEIGHTS_CHECKPOINT_HPP
#define EARLYOUT_WEIGHTS_CHECKPOINT_HPP

#include <earlyout/core/dtype.hpp>
#include <earlyout/core/error.hpp>
#include <earlyout/core/executor.hpp>
#include <earlyout/core/matrix_view.hpp>
#include <earlyout/weights/blocks.hpp>
#include <earlyout/weights/configuration.hpp>
#include <earlyout/weights/packed_weights.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// A tensor as stored in a file: row-major, little-endian, possibly unaligned.
struct tensor_view {
    std::string name;
    dtype type = dtype::f32;
    std::vector<std::size_t> shape;
    std::span<const std::byte> bytes;  ///< bytes_of(type, element_count()), owned by the reader

    [[nodiscard]] std::size_t element_count() const noexcept {
        std::size_t count = 1;
        for (const std::size_t extent : shape) count *= extent;
        return count;
    }
};

/// Returns the shape as text: "[3, 4]".
[[nodiscard]] inline std::string shape_to_string(std::span<const std::size_t> shape) {
    std::string text = "[";
    for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
    return text + "]";
}

/// Returns the bytes of the tensor's shape in its type. Every format reader calls it before it allocates for a shape.
/// @throws error (malformed_file) when a row is not whole blocks, or the shape is larger than any file
[[nodiscard]] inline std::size_t bytes_of_shape(const tensor_view& tensor, std::string_view source) {
    const auto refuse = [&](const auto&... parts) {
        fail(errc::malformed_file, source, ": tensor '", tensor.name, "': ", parts...);
    };
    const std::size_t block = block_elements(tensor.type);
    if (const std::size_t row = tensor.shape.empty() ? 1 : tensor.shape.back(); row % block != 0) {
        refuse("expected rows of whole blocks of ", block, " elements, as ", to_string(tensor.type),
               " has them, found shape ", shape_to_string(tensor.shape));
    }
    if (std::ranges::find(tensor.shape, std::size_t{0}) != tensor.shape.end()) return 0;
    std::size_t elements = 1;
    for (const std::size_t extent : tensor.shape) {
        if (extent > std::numeric_limits<std::int64_t>::max() / 4 / elements) {
            refuse("shape ", shape_to_string(tensor.shape), " is larger than any file");
        }
        elements *= extent;
    }
    return bytes_of(tensor.type, elements);
}

/// What the weights of a checkpoint are read with.
struct reading {
    executor* on = nullptr;                                               ///< converts rows; null: the calling thread
    std::function<void(std::size_t done, std::size_t total)> progress{};  ///< called as bytes of weights have been read
    std::size_t total = 0;                                                ///< bytes of all tensors
    std::size_t done = 0;                                                 ///< of them read
};

/// The source that an architecture reads itself from: named tensors and a configuration. A file format is one class
/// derived from this; an architecture is written against it and never sees a format.
class checkpoint {
public:
    checkpoint() = default;
    checkpoint(const checkpoint&) = delete;
    checkpoint& operator=(const checkpoint&) = delete;
    virtual ~checkpoint() = default;

    /// Returns its origin, for error messages (a path).
    [[nodiscard]] virtual std::string source() const = 0;

    /// Returns the configuration values.
    [[nodiscard]] virtual const configuration& config() const = 0;
    /// Returns a configuration value; see configuration, also for members().
    [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key) const { return config().integer(key); }
    [[nodiscard]] std::optional<double> real(std::string_view key) const { return config().real(key); }
    [[nodiscard]] std::optional<bool> boolean(std::string_view key) const { return config().boolean(key); }
    [[nodiscard]] std::optional<std::string> text(std::string_view key) const { return config().text(key); }
    [[nodiscard]] bool is_null(std::string_view key) const { return config().is_null(key); }
    [[nodiscard]] std::optional<std::vector<std::string>> members(std::string_view key) const {
        return config().members(key);
    }

    /// Returns the tensor of that exact name, or nullptr.
    [[nodiscard]] virtual const tensor_view* find(std::string_view name) const = 0;

    /// Returns true when weight matrices are stored packed. Their tensors then have names and shapes, but no bytes.
    [[nodiscard]] virtual bool is_packed() const noexcept { return false; }
    /// Returns the packed matrix that begins with the rows of this tensor.
    /// @throws error (missing_tensor)
    [[nodiscard]] virtual packed_weights packed(std::string_view name) const {
        fail(errc::missing_tensor, source(), ": tensor '", name, "' is not packed");
    }

    /// Sets what weights are read with from now on; null: the calling thread. It must outlive the reading.
    void read_with(reading* how) noexcept { how_ = how; }
    /// Returns the executor that converts weights.
    [[nodiscard]] executor& on() const noexcept {
        static inline_executor here;
        return how_ != nullptr && how_->on != nullptr ? *how_->on : here;
    }
    /// Records that the bytes of a tensor, or a part of them, were read and are not needed any more: memory that holds
    /// them is given back where they can be read again.
    void consume(std::span<const std::byte> bytes) const {
        discard(bytes);
        if (how_ == nullptr) return;
        how_->done = std::min(how_->total, how_->done + bytes.size());
        if (how_->progress) how_->progress(how_->done, how_->total);
    }

protected:
    checkpoint(checkpoint&&) = default;
    checkpoint& operator=(checkpoint&&) = default;

private:
    /// Gives back memory that holds bytes of a mapped file.
    virtual void discard(std::span<const std::byte>) const noexcept {}

    reading* how_ = nullptr;
};

namespace detail {

/// Converts elements and checks whether all are finite. Branch-free, so that compilers vectorise it.
template <class Bits, class Convert>
[[nodiscard]] bool convert_block(const std::byte* bytes, std::span<float> out, Bits exponent, Convert convert) {
    Bits not_finite = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
        Bits bits;
        std::memcpy(&bits, bytes + sizeof(Bits) * i, sizeof(Bits));
        not_finite = static_cast<Bits>(not_finite | ((bits & exponent) == exponent ? 1 : 0));
        out[i] = convert(bits);
    }
    return not_finite == 0;
}

/// Whole blocks; they are finite if their scales are.
[[nodiscard]] inline bool convert_blocks(dtype type, const std::byte* bytes, std::span<float> out) {
    for (std::size_t at = 0; at < out.size(); at += block_elements(type), bytes += block_bytes(type)) {
        decode_block(type, bytes, out.data() + at);
    }
    float doubt = 0.0f;  // NaN if any value is not finite
    for (const float value : out) doubt += value * 0.0f;
    return doubt == 0.0f;
}

/// float, bf16 and f16 are finite if their exponent bits are not all set.
[[nodiscard]] inline bool convert_block(dtype type, const std::byte* bytes, std::span<float> out) {
    switch (type) {
        case dtype::f32:
            return convert_block<std::uint32_t>(bytes, out, 0x7f800000u,
                                                [](std::uint32_t bits) { return std::bit_cast<float>(bits); });
        case dtype::bf16: return convert_block<std::uint16_t>(bytes, out, 0x7f80u, bf16_to_float);
        case dtype::f16: return convert_block<std::uint16_t>(bytes, out, 0x7c00u, f16_to_float);
        default: return convert_blocks(type, bytes, out);
    }
}

/// Converts the elements from `first` on: for block types whole blocks, such as rows.
inline void to_floats(const tensor_view& tensor, std::size_t first, std::span<float> out, std::string_view source) {
    constexpr std::size_t step = 4096;  // checked while still in the L1 cache; whole blocks of every type
    if (const std::size_t whole = block_elements(tensor.type); first % whole != 0 || out.size() % whole != 0) {
        fail(errc::wrong_shape, source, ": tensor '", tensor.name, "': expected rows of whole blocks of ", whole,
             " elements, as ", to_string(tensor.type), " has them, found ", out.size(), " elements from ", first);
    }
    if (const std::size_t held = tensor.bytes.size(); held < bytes_of(tensor.type, first + out.size())) {
        fail(errc::malformed_file, source, ": tensor '", tensor.name, "': expected ",
             bytes_of(tensor.type, tensor.element_count()), " bytes, found ", held);
    }
    for (std::size_t at = 0; at < out.size(); at += step) {
        const std::span<float> part = out.subspan(at, std::min(step, out.size() - at));
        if (convert_block(tensor.type, tensor.bytes.data() + bytes_of(tensor.type, first + at), part)) continue;
        const auto bad = std::ranges::find_if(part, [](float value) { return !std::isfinite(value); });
        fail(errc::wrong_value, source, ": tensor '", tensor.name, "': element ",
             first + at + static_cast<std::size_t>(bad - part.begin()), " must be a finite number, found ", *bad);
    }
}

}  // namespace detail

/// Converts a stored tensor to float.
/// @param out element_count() floats
/// @throws error (wrong_value) at the first NaN or infinity, naming the element; (wrong_shape) when `out` is
///         not as large as the tensor
inline void to_floats(const tensor_view& tensor, std::span<float> out, std::string_view source) {
    const std::size_t held = tensor.bytes.size() / block_bytes(tensor.type) * block_elements(tensor.type);
    if (out.size() != held) {
        fail(errc::wrong_shape, source, ": tensor '", tensor.name, "': expected ", held, " elements, found room for ",
             out.size());
    }
    detail::to_floats(tensor, 0, out, source);
}

/// Returns the tensor of that name, which must exist with exactly this shape, and with its bytes unless it is packed.
/// @throws error (missing_tensor, wrong_shape, malformed_file)
[[nodiscard]] inline const tensor_view& find_tensor(const checkpoint& from, std::string_view name,
                                                    std::initializer_list<std::size_t> shape) {
    const tensor_view* tensor = from.find(name);
    const std::vector<std::size_t> expected(shape);
    if (tensor == nullptr) {
        fail(errc::missing_tensor, from.source(), ": tensor '", name, "' of shape ", shape_to_string(expected),
             " is missing");
    }
    if (tensor->shape != expected) {
        fail(errc::wrong_shape, from.source(), ": tensor '", name, "': expected shape ", shape_to_string(expected),
             ", found ", shape_to_string(tensor->shape));
    }
    const std::size_t bytes = bytes_of_shape(*tensor, from.source());
    if (tensor->bytes.size() != bytes && !(from.is_packed() && tensor->bytes.empty())) {
        fail(errc::malformed_file, from.source(), ": tensor '", name, "': expected ", bytes, " bytes of ",
             to_string(tensor->type), " for shape ", shape_to_string(expected), ", found ", tensor->bytes.size());
    }
    return *tensor;
}

/// Reads a tensor that must exist with exactly this shape, as floats.
/// @throws error (missing_tensor, wrong_shape, wrong_value)
[[nodiscard]] inline std::vector<float> read_tensor(const checkpoint& from, std::string_view name,
                                                    std::initializer_list<std::size_t> shape) {
    const tensor_view& tensor = find_tensor(from, name, shape);
    std::vector<float> values(tensor.element_count());
    to_floats(tensor, values, from.source());
    return values;
}

/// Reads rows first .. first + count - 1 of a matrix a few at a time, so that a large one is never held as floats:
/// body(row, rows), `row` being the index of the first of them.
/// @throws error (wrong_value)
template <class Body>
void read_rows(const checkpoint& from, const tensor_view& tensor, std::size_t first, std::size_t count, Body body) {
    const std::size_t cols = tensor.shape.back();
    const std::size_t step = std::max<std::size_t>(1, (std::size_t{1} << 13) / cols) * 32;  // whole panels
    std::vector<float> values(std::min(step, count) * cols);
    for (std::size_t row = first; row < first + count; row += step) {
        const std::size_t rows = std::min(step, first + count - row);
        detail::to_floats(tensor, row * cols, std::span(values).first(rows * cols), from.source());
        body(row, matrix_view<const float>(values.data(), rows, cols));
    }
}
/// Reads the whole of a matrix that must exist with exactly this shape.
/// @throws error (missing_tensor, wrong_shape, wrong_value)
template <class Body>
void read_rows(const checkpoint& from, std::string_view name, std::size_t rows, std::size_t cols, Body body) {
    read_rows(from, find_tensor(from, name, {rows, cols}), 0, rows, body);
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
