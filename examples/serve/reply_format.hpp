// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_REPLY_FORMAT_HPP
#define EARLYOUT_EXAMPLES_SERVE_REPLY_FORMAT_HPP

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "finished.hpp"
#include "json.hpp"
#include "loaded_model.hpp"
#include "settings.hpp"

namespace serve {

/// The shape of an API's replies: whole ones, and the events of streams.
class reply_format {
public:
    reply_format() = default;
    reply_format(const reply_format&) = delete;
    reply_format& operator=(const reply_format&) = delete;
    virtual ~reply_format() = default;

    /// Returns the reply with all completions of a request, in the order of their indices.
    [[nodiscard]] virtual json whole(std::span<const finished> all) const = 0;
    /// Returns the event that comes before a completion's text; null: none.
    [[nodiscard]] virtual json first(std::size_t) const { return nullptr; }
    [[nodiscard]] virtual json part(const streamed& of) const = 0;
    /// Returns the last event of a completion. Its text was streamed before.
    [[nodiscard]] virtual json last(const finished& of) const = 0;
    /// Returns the event behind all completions; null: none.
    [[nodiscard]] virtual json usage(std::span<const finished>) const { return nullptr; }
    /// Returns whether a stream ends with `data: [DONE]`.
    [[nodiscard]] virtual bool ends_with_done() const noexcept { return false; }
};

/// Makes llama.cpp's shape.
/// @param as_array whether a reply is an array, which it is for an array of prompts
[[nodiscard]] std::unique_ptr<reply_format> native_format(model_pointer model, settings wanted, bool as_array);
/// Makes the shapes of OpenAI's /v1/completions and /v1/chat/completions.
[[nodiscard]] std::unique_ptr<reply_format> openai_text_format(model_pointer model, settings wanted);
[[nodiscard]] std::unique_ptr<reply_format> openai_chat_format(model_pointer model, settings wanted);

/// Returns the times and counts of a completion.
[[nodiscard]] json timings_of(const finished& of);
/// Returns a token's text as replies show it, beside its bytes.
[[nodiscard]] json bytes_of(std::string_view text);

}  // namespace serve

#endif
