// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_HTTP_TEXT_HPP
#define EARLYOUT_EXAMPLES_SERVE_HTTP_TEXT_HPP

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

/// @file Replies as bytes of HTTP/1.1.

namespace serve {

inline constexpr const char* json_type = "application/json; charset=utf-8";

/// How the client finds the end of a body.
enum class framing {
    length,  ///< Content-Length
    chunks,  ///< Transfer-Encoding: chunked
    close    ///< the connection ends: streams for HTTP/1.0
};

/// What the head of a reply says.
struct reply_head {
    int status = 200;
    std::string content_type;
    framing body = framing::length;
    std::size_t length = 0;     ///< of the body, with framing::length
    bool keep_alive = true;     ///< the connection takes another request
    bool http_1_0 = false;      ///< the client speaks 1.0, which closes unless told otherwise
    std::string cors_origin;    ///< who may read the reply in a browser; empty: nobody else
    bool is_preflight = false;  ///< answers a browser's question what it may send
};

/// Returns the status line and headers, with the empty line behind them.
[[nodiscard]] std::string to_text(const reply_head& head);
/// Returns one chunk. `data` is not empty: an empty one ends the body.
[[nodiscard]] std::string chunk(std::string_view data);
inline constexpr const char* last_chunk = "0\r\n\r\n";

/// Returns true if a request's Host header has one of these names, whatever its port.
[[nodiscard]] bool names_host(std::string_view header, std::span<const std::string> names);

/// Returns an error as llama.cpp's server words it: {"error":{"code":413,"message":"...","type":"..."}}
[[nodiscard]] std::string error_body(int status, const std::string& message);

}  // namespace serve

#endif
