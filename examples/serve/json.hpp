// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_JSON_HPP
#define EARLYOUT_EXAMPLES_SERVE_JSON_HPP

#include <nlohmann/json.hpp>

#include <string>

namespace serve {

/// Members keep their order, as clients show them.
using json = nlohmann::ordered_json;

/// Returns compact JSON on one line. Bytes that form no character are replaced: a reply is always UTF-8.
[[nodiscard]] inline std::string dump(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace serve

#endif
