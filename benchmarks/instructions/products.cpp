// SPDX-License-Identifier: MIT
// Products and attention as functions of their own, whose instructions run.sh counts.
#include <earlyout/kernels/attention.hpp>
#include <earlyout/kernels/attention_codes.hpp>
#include <earlyout/kernels/multiply_groups.hpp>

#include <cstddef>
#include <cstdint>

namespace eo = earlyout;
namespace k = eo::kernels;
using set = eo::default_arch;

#define ONE_TOKEN(Format)                                                                                  \
    template void k::multiply_groups_token<set, eo::Format>(const std::uint8_t*, const k::quantized_view&, \
                                                            eo::extent<>, const float*, float*, std::size_t) noexcept
ONE_TOKEN(int8);
ONE_TOKEN(int4);
ONE_TOKEN(q4_1);
ONE_TOKEN(q5_0);
ONE_TOKEN(q5_1);
ONE_TOKEN(q2_k);
ONE_TOKEN(q3_k);
ONE_TOKEN(q4_k);
ONE_TOKEN(q5_k);
ONE_TOKEN(q6_k);
ONE_TOKEN(iq4_nl);
ONE_TOKEN(iq4_xs);
ONE_TOKEN(mxfp4);

// A full tile of several tokens, which formats of the same kind share.
#define TOKENS(Format)                                                                             \
    extern const auto tile_of_##Format =                                                           \
        k::chunk_tiles<set, k::group_traits<eo::Format>::spans, k::group_traits<eo::Format>::sign, \
                       k::bytes_of_codes<eo::Format, set>>[k::group_tile<set>::tokens - 1]
TOKENS(int8);
TOKENS(int4);
TOKENS(q4_k);
TOKENS(q6_k);

#define FLOATS(Tokens, Format)                                                                                        \
    template void k::multiply_tile<set, Tokens, eo::Format>(const eo::Format::element*, k::look_ahead,                \
                                                            eo::matrix_view<const float>, eo::extent<>, const float*, \
                                                            float*, std::size_t, std::size_t) noexcept
FLOATS(1, f32);
FLOATS(1, bf16);
FLOATS(1, f16);
FLOATS(k::tile_tokens<set>, bf16);

#define ATTENTION(Queries, Format)                                                                                 \
    template void k::detail::attention_scores<set, Queries>(                                                       \
        eo::Format, const k::detail::stretch_query*, const eo::Format::element*, eo::extent<>, float, std::size_t, \
        std::size_t, float*, k::detail::prefetch_range) noexcept;                                                  \
    template void k::detail::add_weighted<set, Queries>(eo::Format, const k::detail::stretch_query*, const float*, \
                                                        const eo::Format::element*, std::size_t, eo::extent<>,     \
                                                        std::size_t, std::size_t, k::detail::prefetch_range) noexcept
ATTENTION(1, f16);
ATTENTION(k::tile_queries<set>, f16);

#define ATTENTION_IN_CODES(Queries)                                                                                 \
    template void k::detail::score_codes<set, Queries>(const float*, const float*, const std::int8_t*, std::size_t, \
                                                       std::size_t, std::size_t, float*,                            \
                                                       k::detail::prefetch_range) noexcept;                         \
    template void k::detail::sum_codes<set, Queries>(const float*, const std::int8_t*, std::size_t, std::size_t,    \
                                                     std::size_t, float*, k::detail::prefetch_range) noexcept
ATTENTION_IN_CODES(1);
ATTENTION_IN_CODES(k::detail::code_queries<set>);
