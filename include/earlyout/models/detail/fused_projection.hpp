// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_DETAIL_FUSED_PROJECTION_HPP
#define EARLYOUT_MODELS_DETAIL_FUSED_PROJECTION_HPP

#include <earlyout/models/detail/checkpoint_reader.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

/// The order of rows in a matrix that holds queries, keys and values: all queries, all keys, all values; or the query,
/// key and value of each head.
enum class fused_order { by_kind, by_head };

/// Fills queries, keys and values from one stored matrix, NAME.weight [d_query + 2 d_kv, d_model], and NAME.bias if
/// there is one.
template <class Attention>
void read_fused_projection(const checkpoint_reader& from, const std::string& name, const model_shape& s,
                           fused_order order, bool bias, Attention& into) {
    const std::size_t q = s.d_query(), k = s.d_kv(), rows = q + 2 * k;
    struct range {
        std::size_t first, count, to;
    };
    std::vector<range> ranges{{0, q, 0}, {q, k, into.key_row()}, {q + k, k, into.value_row()}};
    if (order == fused_order::by_head) {  // of as many key as query heads
        const std::size_t width = s.head_dim, to[]{0, into.key_row(), into.value_row()};
        ranges.clear();
        for (std::size_t i = 0; i < 3 * s.heads; ++i) {
            ranges.push_back({i * width, width, to[i % 3] + i / 3 * width});
        }
    }
    auto& target = into.query_key_value();
    if (bias) {
        const std::vector<float> stored = from.tensor(name + ".bias", {rows});
        for (const range& r : ranges) {
            std::copy_n(stored.begin() + static_cast<std::ptrdiff_t>(r.first), r.count,
                        target.bias().begin() + static_cast<std::ptrdiff_t>(r.to));
        }
    }
    std::vector<matrix_part> parts;
    for (const range& r : ranges) parts.push_back({name + ".weight", rows, r.first, r.count, r.to});
    from.fill(target, std::move(parts));
}

}  // namespace detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
