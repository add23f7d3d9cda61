// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_KV_FORMAT_HPP
#define EARLYOUT_NN_KV_FORMAT_HPP

#include <earlyout/core/dtype.hpp>
#include <earlyout/core/error.hpp>
#include <earlyout/core/extent.hpp>
#include <earlyout/kernels/attention.hpp>
#include <earlyout/kernels/kv_layout.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

namespace detail {

/// Operations of a KV cache on one head's keys and values, in one stored format; see kernels::kv_layout.
struct kv_operations {
    const char* name;
    /// Return the bytes of `entries` keys or values.
    std::size_t (*key_bytes)(std::size_t head_dim, std::size_t entries) noexcept;
    std::size_t (*value_bytes)(std::size_t head_dim, std::size_t entries) noexcept;
    /// Returns the bytes that a query reads of an entry.
    std::size_t (*entry_bytes)(std::size_t head_dim) noexcept;
    void (*store)(std::byte* keys, std::byte* values, std::size_t head_dim, std::size_t entry, const float* key,
                  const float* value) noexcept;
    /// See kernels::attend.
    void (*attend)(std::span<const kernels::head_query> queries, const kernels::kv_pages& memory, std::size_t head_dim,
                   float scale, float* scratch) noexcept;
    /// See kernels::attend_stretch.
    void (*attend_stretch)(std::span<const kernels::head_query> queries, std::size_t stretch,
                           const kernels::kv_pages& memory, std::size_t head_dim, float scale,
                           kernels::softmax_state* states, float* sums, float* scratch) noexcept;
};

/// Those operations on the elements of a format.
template <class Stored>
struct kv_operations_on {
    using layout = kernels::kv_layout<Stored>;
    using element = typename layout::element;

    static std::size_t key_bytes(std::size_t head_dim, std::size_t entries) noexcept {
        return layout::key_size(head_dim, entries) * sizeof(element);
    }
    static std::size_t value_bytes(std::size_t head_dim, std::size_t entries) noexcept {
        return layout::value_size(head_dim, entries) * sizeof(element);
    }
    static std::size_t entry_bytes(std::size_t head_dim) noexcept { return layout::entry_bytes(head_dim); }
    static void store(std::byte* keys, std::byte* values, std::size_t head_dim, std::size_t entry, const float* key,
                      const float* value) noexcept {
        layout::store(reinterpret_cast<element*>(keys), reinterpret_cast<element*>(values), head_dim, entry, key,
                      value);
    }
    static void attend(std::span<const kernels::head_query> queries, const kernels::kv_pages& memory,
                       std::size_t head_dim, float scale, float* scratch) noexcept {
        kernels::attend(Stored{}, queries, memory, extent<>(head_dim), scale, scratch);
    }
    static void attend_stretch(std::span<const kernels::head_query> queries, std::size_t stretch,
                               const kernels::kv_pages& memory, std::size_t head_dim, float scale,
                               kernels::softmax_state* states, float* sums, float* scratch) noexcept {
        kernels::attend_stretch(Stored{}, queries, stretch, memory.at<element>(stretch), extent<>(head_dim), scale,
                                states, sums, scratch);
    }
    static constexpr kv_operations all{Stored::name, &key_bytes, &value_bytes,   &entry_bytes,
                                       &store,       &attend,    &attend_stretch};
};

}  // namespace detail

/// Format in which a sequence stores its keys and values: f32{}, the default, exact; f16{} or bf16{}, each component
/// rounded separately, in half the memory; int8{}, in little more than a quarter, codes with one scale for each head's
/// key and value. A program compiles the kernels of the formats that it names, and of f32.
class kv_format {
public:
    kv_format() noexcept : kv_format(f32{}) {}
    template <kernels::cached_format Stored>
    // NOLINTNEXTLINE(google-explicit-constructor): each format is one
    kv_format(Stored) noexcept : operations_(&detail::kv_operations_on<Stored>::all) {}

    /// Returns "f32", "f16", "bf16" or "int8".
    [[nodiscard]] const char* name() const noexcept { return operations_->name; }
    /// Returns the bytes that a query reads of one head's key and value of an entry, scales and padding included.
    [[nodiscard]] std::size_t entry_bytes(std::size_t head_dim) const noexcept {
        return operations_->entry_bytes(head_dim);
    }
    friend bool operator==(const kv_format&, const kv_format&) = default;

private:
    friend class kv_cache;
    friend class kv_pool;

    const detail::kv_operations* operations_;
};

/// A kv_format that is chosen at run time: `session_options{.kv = any_kv_format("f16")}`. A program that names it
/// compiles the kernels of all formats.
class any_kv_format : public kv_format {
public:
    // Templates, so that programs that do not call them do not compile those kernels.
    /// @param name "f32", "bf16", "f16" or "int8"
    /// @throws error (unsupported) for any other
    template <std::convertible_to<std::string_view> Name>
    explicit any_kv_format(const Name& name) : kv_format(find<f32, bf16, f16, int8>(std::string_view(name))) {}
    /// @throws error (unsupported) for a type that is none of f32, bf16 and f16
    template <std::same_as<dtype> Type>
    explicit any_kv_format(Type type)
        : kv_format(find<f32, bf16, f16, int8>(type == dtype::f32    ? "f32"
                                               : type == dtype::bf16 ? "bf16"
                                               : type == dtype::f16  ? "f16"
                                                                     : to_string(type))) {}

private:
    template <class... Stored>
    static kv_format find(std::string_view name) {
        for (const kv_format format : {kv_format(Stored{})...}) {
            if (name == format.name()) return format;
        }
        fail(errc::unsupported, "keys and values: expected one of f32, bf16, f16, int8; found '", std::string(name),
             "'");
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
