// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_FINISHED_HPP
#define EARLYOUT_EXAMPLES_SERVE_FINISHED_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine.hpp"
#include "infill_prompt.hpp"

namespace serve {

/// Why a completion ended, in llama.cpp's words.
enum class stop_type : std::uint8_t { none, eos, limit, word };

[[nodiscard]] constexpr const char* to_string(stop_type type) noexcept {
    switch (type) {
        case stop_type::none: return "none";
        case stop_type::eos: return "eos";
        case stop_type::limit: return "limit";
        case stop_type::word: return "word";
    }
    return "none";
}

/// One completion of a request, as it ended.
struct finished {
    std::size_t index = 0;  ///< among the request's
    token_ids prompt;
    std::string content;              ///< what its prompt is followed by
    std::string unstreamed;           ///< end of `content` that no event carried
    std::vector<new_token> tokens;    ///< of all new tokens, with candidates if the request shows them
    std::size_t streamed_tokens = 0;  ///< of these, at their start, events carried
    omitted_tokens omitted;
    bool has_new_line = false;
    bool cancelled = false;  ///< a newer request of its slot ended it
    stop_type stop = stop_type::none;
    std::string stopping_word;
    std::string ended_by;  ///< why, in the engine's words, or "text_filter" and "t_max_predict_ms"
    outcome of;
};

/// Part of a completion that is streamed.
struct streamed {
    std::size_t index = 0;
    std::size_t prompt_tokens = 0;
    std::string text;
    std::vector<new_token> tokens;  ///< that came since the last part
    std::size_t new_tokens = 0;     ///< so far
};

}  // namespace serve

#endif
