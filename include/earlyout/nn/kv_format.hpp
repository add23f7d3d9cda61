// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_KV_FORMAT_HPP
#define EARLYOUT_NN_KV_FORMAT_HPP

#include <earlyout/core/dtype.hpp>
#include <earlyout/core/error.hpp>
#include <earlyout/core/extent.hpp>
#include <earlyout/kernels/attention.hpp>
#include <earlyout/kernels/half.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

namespace detail {

/// Operations of a KV cache on one head's keys and values, in one stored format.
struct kv_operations {
    const char* name;
    std::size_t element_bytes;
    /// Stores one entry: keys transposed in blocks of 16 entries, values by row.
    void (*set)(std::byte* keys, std::byte* values, std::size_t value_stride, std::size_t head_dim, std::size_t entry,
                const float* key, const float* value) noexcept;
    /// See kernels::attend.
    void (*attend)(std::span<const kernels::head_query> queries, const std::byte* keys, const std::byte* values,
                   std::size_t value_stride, std::size_t head_dim, float scale, float* scratch) noexcept;
};

template <element_format Stored>
void set_key_and_value(std::byte* keys, std::byte* values, std::size_t value_stride, std::size_t head_dim,
                       std::size_t entry, const float* key, const float* value) noexcept {
    using kernels::key_block;
    using element = typename Stored::element;
    element* const to_keys =
        reinterpret_cast<element*>(keys) + entry / key_block * key_block * head_dim + entry % key_block;
    kernels::encode(Stored{}, value, head_dim, reinterpret_cast<element*>(values) + entry * value_stride);
    element column[key_block];
    for (std::size_t k = 0; k < head_dim; k += key_block) {
        const std::size_t count = std::min(key_block, head_dim - k);
        kernels::encode(Stored{}, key + k, count, column);
        element* const to = to_keys + k * key_block;
        for (std::size_t i = 0; i < count; ++i) to[i * key_block] = column[i];
    }
}

template <element_format Stored>
void attend_stored(std::span<const kernels::head_query> queries, const std::byte* keys, const std::byte* values,
                   std::size_t value_stride, std::size_t head_dim, float scale, float* scratch) noexcept {
    using element = typename Stored::element;
    kernels::attend(Stored{}, queries, reinterpret_cast<const element*>(keys), reinterpret_cast<const element*>(values),
                    value_stride, extent<>(head_dim), scale, scratch);
}

template <element_format Stored>
inline constexpr kv_operations kv_operations_of{Stored::name, sizeof(typename Stored::element),
                                                &set_key_and_value<Stored>, &attend_stored<Stored>};

}  // namespace detail

/// Format in which a sequence stores its keys and values: f32{}, the default, exact; f16{} or bf16{}, each value
/// rounded separately, in half the memory. A program compiles the kernels of the formats that it names, and of f32.
class kv_format {
public:
    kv_format() noexcept : kv_format(f32{}) {}
    template <element_format Stored>
    // NOLINTNEXTLINE(google-explicit-constructor): each format is one
    kv_format(Stored) noexcept : operations_(&detail::kv_operations_of<Stored>) {}

    /// Returns "f32", "f16" or "bf16".
    [[nodiscard]] const char* name() const noexcept { return operations_->name; }
    /// Returns the bytes of a component of a key or value.
    [[nodiscard]] std::size_t element_bytes() const noexcept { return operations_->element_bytes; }
    friend bool operator==(const kv_format&, const kv_format&) = default;

private:
    friend class kv_cache;

    const detail::kv_operations* operations_;
};

/// A kv_format that is chosen at run time: `session_options{.kv = any_kv_format("f16")}`. A program that names it
/// compiles the kernels of all formats.
class any_kv_format : public kv_format {
public:
    // Templates, so that programs that do not call them do not compile those kernels.
    /// @param name "f32", "bf16" or "f16"
    /// @throws error (unsupported) for any other
    template <std::convertible_to<std::string_view> Name>
    explicit any_kv_format(const Name& name) : kv_format(find<f32, bf16, f16>(std::string_view(name))) {}
    /// @throws error (unsupported) for a type that is not one of those
    template <std::same_as<dtype> Type>
    explicit any_kv_format(Type type)
        : kv_format(find<f32, bf16, f16>(type == dtype::f32    ? "f32"
                                         : type == dtype::bf16 ? "bf16"
                                         : type == dtype::f16  ? "f16"
                                                               : to_string(type))) {}

private:
    template <class... Stored>
    static kv_format find(std::string_view name) {
        for (const kv_format format : {kv_format(Stored{})...}) {
            if (name == format.name()) return format;
        }
        fail(errc::unsupported, "keys and values: expected one of f32, bf16, f16; found '", std::string(name), "'");
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
