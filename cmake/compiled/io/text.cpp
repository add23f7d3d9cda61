// SPDX-License-Identifier: MIT
// What the headers of text/ declare when the library is compiled.
#include <earlyout/text/detail/tokenizer_inl.hpp>
