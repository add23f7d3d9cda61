// SPDX-License-Identifier: MIT
// What packed.hpp declares.
#ifndef EARLYOUT_IO_DETAIL_PACKED_INL_HPP
#define EARLYOUT_IO_DETAIL_PACKED_INL_HPP

#include <earlyout/io/detail/add_ends.hpp>
#include <earlyout/io/packed.hpp>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

EARLYOUT_IO_INLINE model_text read_text(const packed_checkpoint& from) {
    model_text made{from.generation(), from.tokenizer()};
    if (made.tokenizer) detail::add_ends_by_name(made.generation, *made.tokenizer);
    return made;
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
