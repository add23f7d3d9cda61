// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_DETAIL_PACKED_NAMES_HPP
#define EARLYOUT_IO_DETAIL_PACKED_NAMES_HPP

#include <earlyout/core/config.hpp>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io { namespace detail {

inline constexpr const char* packed_format = "earlyout-packed";
inline constexpr const char* packed_version = "1";
inline constexpr const char* packed_tokenizer_json = "tokenizer.json";
inline constexpr const char* packed_tokenizer_gguf = "tokenizer.gguf";

}  // namespace detail

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
