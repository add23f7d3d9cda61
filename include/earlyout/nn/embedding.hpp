// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_EMBEDDING_HPP
#define EARLYOUT_NN_EMBEDDING_HPP

#include <earlyout/core/aligned_buffer.hpp>
#include <earlyout/core/dtype.hpp>
#include <earlyout/core/error.hpp>
#include <earlyout/core/matrix_view.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/kernels/half.hpp>
#include <earlyout/weights/blocks.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// A table of rows, [count, d_model], in the element type it is stored in: a token reads only one row.
class embedding {
public:
    embedding() = default;
    /// Makes `count` rows of zeros, to be filled by set_rows() or, in block types, set_bytes().
    /// @throws error (wrong_shape) when a row is not whole blocks
    embedding(std::size_t d_model, std::size_t count, dtype stored = dtype::f32)
        : d_model_(d_model), stored_(stored), rows_(bytes_of(stored, count * whole_blocks(d_model, stored))) {}

    /// Rounds rows to the element type; values that are representable stay unchanged.
    void set_rows(std::size_t first_row, matrix_view<const float> source) noexcept {
        visit([&]<class Stored>(Stored stored, auto* rows) {
            for (std::size_t r = 0; r < source.rows(); ++r) {
                kernels::encode(stored, source.row(r), d_model_, rows + (first_row + r) * d_model_);
            }
        });
    }

    /// Sets all rows from their stored bytes.
    void set_bytes(std::span<const std::byte> bytes) noexcept {
        std::copy_n(bytes.begin(), std::min(bytes.size(), rows_.size()), rows_.data());
    }

    [[nodiscard]] bool empty() const noexcept { return rows_.size() == 0; }
    [[nodiscard]] std::size_t bytes() const noexcept { return rows_.bytes(); }

    /// Computes out = row `index`. out: [d_model]
    void copy_row(std::size_t index, float* out) const noexcept {
        for_each_element(index, [&](std::size_t k, float value) { out[k] = value; });
    }
    /// Computes out += row `index`. out: [d_model]
    void add_row(std::size_t index, float* out) const noexcept {
        for_each_element(index, [&](std::size_t k, float value) { out[k] += value; });
    }

private:
    /// Reading a row decodes whole blocks.
    static std::size_t whole_blocks(std::size_t d_model, dtype stored) {
        if (d_model % block_elements(stored) != 0) {
            fail(errc::wrong_shape, "embedding: expected rows of whole blocks of ", block_elements(stored),
                 " elements, as ", to_string(stored), " has them, found ", d_model);
        }
        return d_model;
    }

    template <class Body>
    void visit(Body body) noexcept {
        switch (stored_) {
            case dtype::f32: return body(f32{}, reinterpret_cast<float*>(rows_.data()));
            case dtype::f16: return body(f16{}, reinterpret_cast<std::uint16_t*>(rows_.data()));
            case dtype::bf16: return body(bf16{}, reinterpret_cast<std::uint16_t*>(rows_.data()));
            default: return;
        }
    }
    template <class Body>
    void for_each_element(std::size_t index, Body body) const noexcept {
        const auto read = [&]<class Stored>(Stored) {
            const auto* row = reinterpret_cast<const typename Stored::element*>(rows_.data()) + index * d_model_;
            for (std::size_t k = 0; k < d_model_; ++k) body(k, Stored::decode(row[k]));
        };
        switch (stored_) {
            case dtype::f32: return read(f32{});
            case dtype::f16: return read(f16{});
            case dtype::bf16: return read(bf16{});
            default: break;
        }
        float values[256];  // the largest block
        const std::size_t block = block_elements(stored_);
        const std::byte* at = rows_.data() + bytes_of(stored_, index * d_model_);
        for (std::size_t k = 0; k < d_model_; k += block, at += block_bytes(stored_)) {
            detail::decode_block(stored_, at, values);
            for (std::size_t i = 0; i < block; ++i) body(k + i, values[i]);
        }
    }

    std::size_t d_model_ = 0;
    dtype stored_ = dtype::f32;
    aligned_buffer<std::byte> rows_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
