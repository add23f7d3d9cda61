// SPDX-License-Identifier: MIT
#include "page.hpp"

namespace serve {

std::string_view page() {
    return R"html(<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>earlyout</title>
<p>earlyout answers editors here: POST /infill, /completion and /v1/completions.</p>
</html>
)html";
}

}  // namespace serve
