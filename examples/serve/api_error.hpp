// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_API_ERROR_HPP
#define EARLYOUT_EXAMPLES_SERVE_API_ERROR_HPP

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "json.hpp"

namespace serve {

/// A request that is refused: an HTTP status, a type that clients know, and a sentence that names the field, what was
/// expected and what was found.
class api_error : public std::runtime_error {
public:
    api_error(int status, const char* type, const std::string& sentence, json more = json::object())
        : std::runtime_error(sentence), status_(status), type_(type), more_(std::move(more)) {}

    [[nodiscard]] int status() const noexcept { return status_; }
    /// Returns {"error": {"code", "message", "type", ...}}.
    [[nodiscard]] json body() const {
        json error{{"code", status_}, {"message", what()}, {"type", type_}};
        error.update(more_);
        return {{"error", std::move(error)}};
    }

private:
    int status_;
    const char* type_;
    json more_;
};

/// Makes the error of a field with a wrong value.
[[nodiscard]] inline api_error wrong_field(std::string_view name, std::string_view expected, std::string_view found) {
    std::string sentence(name);
    sentence.append(": expected ").append(expected).append(", found ").append(found);
    return {400, "invalid_request_error", sentence};
}

/// Makes the error of a field or value that this server does not support.
[[nodiscard]] inline api_error not_supported(std::string_view name, std::string_view what, int status = 400) {
    std::string sentence(name);
    sentence.append(": ").append(what);
    return {status, "not_supported_error", sentence};
}

/// Makes the error of a prompt that does not fit.
[[nodiscard]] inline api_error too_long(std::size_t prompt_tokens, std::size_t context) {
    return {400,
            "exceed_context_size_error",
            "prompt: expected at most " + std::to_string(context) + " tokens, the context, found " +
                std::to_string(prompt_tokens),
            {{"n_prompt_tokens", prompt_tokens}, {"n_ctx", context}}};
}

/// Returns a sentence with the last component in place of each path: no reply shows the host's folders.
[[nodiscard]] inline std::string without_folders(std::string_view sentence) {
    std::string made;
    while (!sentence.empty()) {
        const bool at_start = made.empty() || std::string_view(" '\"(=,").find(made.back()) != std::string_view::npos;
        const std::string_view word = sentence.substr(0, sentence.find_first_of(" '\"),;:"));
        if (at_start && word.find('/') != std::string_view::npos) {
            made.append(word.substr(word.rfind('/') + 1));
            sentence.remove_prefix(word.size());
        } else {
            made.push_back(sentence.front());
            sentence.remove_prefix(1);
        }
    }
    return made;
}

}  // namespace serve

#endif
