// SPDX-License-Identifier: MIT
#include "page.hpp"

#include <cstddef>

namespace serve {

// page.html, which embed.cmake turned into bytes.
extern const unsigned char page_html[];
extern const std::size_t page_html_size;

std::string_view page() { return {reinterpret_cast<const char*>(page_html), page_html_size}; }

}  // namespace serve
