// SPDX-License-Identifier: MIT
#include "http_text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>

namespace serve {

namespace {

const char* reason_of(int status) {
    switch (status) {
        case 200: return "OK";
        case 204: return "No Content";
        case 400: return "Bad Request";
        case 401: return "Unauthorized";
        case 403: return "Forbidden";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 408: return "Request Timeout";
        case 413: return "Content Too Large";
        case 415: return "Unsupported Media Type";
        case 417: return "Expectation Failed";
        case 422: return "Unprocessable Content";
        case 429: return "Too Many Requests";
        case 431: return "Request Header Fields Too Large";
        case 500: return "Internal Server Error";
        case 501: return "Not Implemented";
        case 503: return "Service Unavailable";
        case 505: return "HTTP Version Not Supported";
        default: return "Status";
    }
}

const char* error_type_of(int status) {
    switch (status) {
        case 503: return "unavailable_error";
        case 500: return "server_error";
        default: return "invalid_request_error";
    }
}

void add_cors(std::string& text, const reply_head& head) {
    text += "Access-Control-Allow-Origin: " + head.cors_origin + "\r\n";
    if (head.cors_origin != "*") text += "Vary: Origin\r\n";
    if (!head.is_preflight) return;
    text +=
        "Access-Control-Allow-Methods: GET, POST, OPTIONS\r\n"
        "Access-Control-Allow-Headers: Authorization, Content-Type, X-Api-Key\r\n"
        "Access-Control-Max-Age: 86400\r\n";
}

}  // namespace

std::string to_text(const reply_head& head) {
    std::string text = "HTTP/1.1 " + std::to_string(head.status) + ' ' + reason_of(head.status) +
                       "\r\n"
                       "Server: earlyout\r\n";
    if (!head.content_type.empty()) text += "Content-Type: " + head.content_type + "\r\n";
    if (head.content_type.starts_with("text/event-stream")) {
        // Neither a cache nor nginx in between is to hold tokens back.
        text += "Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\n";
    }
    if (head.status == 503) text += "Retry-After: 1\r\n";
    if (head.status == 401) text += "WWW-Authenticate: Bearer\r\n";
    if (head.status != 204) {  // which has no body, and may not say so
        if (head.body == framing::length) text += "Content-Length: " + std::to_string(head.length) + "\r\n";
        if (head.body == framing::chunks) text += "Transfer-Encoding: chunked\r\n";
    }
    if (!head.cors_origin.empty()) add_cors(text, head);
    if (!head.keep_alive) {
        text += "Connection: close\r\n";
    } else if (head.http_1_0) {
        text += "Connection: keep-alive\r\n";
    }
    return text += "\r\n";
}

std::string chunk(std::string_view data) {
    char size[24];
    const int digits = std::snprintf(size, sizeof size, "%zx\r\n", data.size());
    std::string text;
    text.reserve(static_cast<std::size_t>(digits) + data.size() + 2);
    text.append(size, static_cast<std::size_t>(digits)).append(data).append("\r\n");
    return text;
}

bool names_host(std::string_view header, std::span<const std::string> names) {
    std::string_view name = header;
    if (name.starts_with('[')) {
        if (name.find(']') == std::string_view::npos) return false;
        name = name.substr(1, name.find(']') - 1);
    } else {
        name = name.substr(0, name.find(':'));
    }
    if (name.ends_with('.')) name.remove_suffix(1);
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return std::ranges::any_of(names,
                               [&](const std::string& one) { return std::ranges::equal(name, one, {}, lower, lower); });
}

std::string error_body(int status, const std::string& message) {
    const nlohmann::ordered_json body = {
        {"error", {{"code", status}, {"message", message}, {"type", error_type_of(status)}}}};
    return body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace serve
