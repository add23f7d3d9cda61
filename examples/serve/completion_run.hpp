// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_COMPLETION_RUN_HPP
#define EARLYOUT_EXAMPLES_SERVE_COMPLETION_RUN_HPP

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "answer.hpp"
#include "engine.hpp"
#include "settings.hpp"
#include "text_filter.hpp"

namespace serve {

/// A prompt that is ready to run, with what applies to its completion alone.
struct planned {
    token_ids prompt;
    text_filter filter;
    std::vector<eo::token_id> more_end_of_text;
    /// Returns the part of the prompt that its limit on time allows. Empty: there is none.
    std::function<token_ids(const loaded_model&, const prompt_costs&, omitted_tokens&)> shorten;
};

/// One running completion: takes its tokens from the engine, filters their text, and hands it to the answer.
class completion_run {
public:
    completion_run(std::shared_ptr<answer> to, model_pointer model, std::shared_ptr<const settings> wanted,
                   planned plan, std::size_t index);

    [[nodiscard]] token_ids shorten(const prompt_costs& costs);
    [[nodiscard]] eo::flow token(const new_token& token);
    void end(outcome of);

private:
    using clock = std::chrono::steady_clock;

    [[nodiscard]] bool is_out_of_time();
    void stream_part(const std::string& text);
    [[nodiscard]] std::string stopping_word(const outcome& of) const;
    void set_reason();

    std::shared_ptr<answer> to_;
    model_pointer model_;
    std::shared_ptr<const settings> wanted_;
    text_filter filter_;
    decltype(planned::shorten) shorten_;
    finished made_;
    std::optional<clock::time_point> first_token_;
    bool out_of_time_ = false;
};

/// The jobs of a request, checked, and their answer.
struct prepared {
    std::shared_ptr<answer> to;
    std::vector<job> jobs;
};

/// Makes the jobs of a request and checks all of them, so that all run or none.
/// @param plans in the order of the reply; each is completed wanted.choices times, with seeds that follow one another
/// @throws api_error, earlyout::error
[[nodiscard]] prepared prepare_all(const exchange& with, const model_pointer& model, const settings& wanted,
                                   std::unique_ptr<reply_format> format, std::vector<planned> plans);
void submit_all(const model_pointer& model, prepared ready);

}  // namespace serve

#endif
