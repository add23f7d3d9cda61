// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_WEIGHTS_BLOCKS_HPP
#define EARLYOUT_WEIGHTS_BLOCKS_HPP

#include <earlyout/weights/blocks/int4.hpp>
#include <earlyout/weights/blocks/int8.hpp>
#include <earlyout/weights/blocks/iq4_nl.hpp>
#include <earlyout/weights/blocks/iq4_xs.hpp>
#include <earlyout/weights/blocks/mxfp4.hpp>
#include <earlyout/weights/blocks/q2_k.hpp>
#include <earlyout/weights/blocks/q3_k.hpp>
#include <earlyout/weights/blocks/q4_1.hpp>
#include <earlyout/weights/blocks/q4_k.hpp>
#include <earlyout/weights/blocks/q5_0.hpp>
#include <earlyout/weights/blocks/q5_1.hpp>
#include <earlyout/weights/blocks/q5_k.hpp>
#include <earlyout/weights/blocks/q6_k.hpp>

#include <cstddef>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// A list of weight format tags.
template <class... Formats>
struct format_list {};

/// All formats that are stored in blocks, layouts as in llama.cpp's ggml-common.h. A matrix row is a whole number of
/// blocks. A new one: a file in blocks/ and its name here.
using group_formats = format_list<int8, int4, q4_1, q5_0, q5_1, q2_k, q3_k, q4_k, q5_k, q6_k, iq4_nl, iq4_xs, mxfp4>;

namespace detail {

template <class... Formats, class Body>
constexpr bool visit_format_of(dtype type, format_list<Formats...>, Body body) {
    return ((Formats::stored == type ? (body(Formats{}), true) : false) || ...);
}

/// Calls body(the tag of a block type). Returns false, and calls nothing, for the other types.
template <class Body>
constexpr bool visit_group_format(dtype type, Body body) {
    return visit_format_of(type, group_formats{}, body);
}

/// Decodes one block of a block type.
/// @param out [block_elements(type)]
inline void decode_block(dtype type, const std::byte* block, float* out) noexcept {
    visit_group_format(type, [&]<class Format>(Format) { decode<Format>(block, out); });
}

}  // namespace detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
