// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DETAIL_COMPLETION_OUTPUT_HPP
#define EARLYOUT_GENERATE_DETAIL_COMPLETION_OUTPUT_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/generate/completion.hpp>
#include <earlyout/generate/detail/text_stream.hpp>
#include <earlyout/generate/events.hpp>
#include <earlyout/generate/finish.hpp>
#include <earlyout/generate/generation.hpp>
#include <earlyout/generate/model.hpp>
#include <earlyout/generate/options.hpp>
#include <earlyout/generate/run_stats.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

/// What becomes of the predictions of a completion: events with text, and its end.
template <class Model>
class completion_output {
    using clock = std::chrono::steady_clock;

public:
    completion_output(const Model& model, std::size_t capacity) : model_(&model), text_(model, capacity) {}

    /// Reserves the memory that restart() with these options needs, and changes nothing else.
    void prepare(const generate_options& options) { text_.prepare(options.stop_strings); }
    /// Begins a completion.
    /// @param options already prepared; the same, and those of its stop strings, for the rest of the completion
    void restart(const generate_options& options, clock::time_point started) noexcept {
        started_ = started;
        end_of_text_ = options.end_of_text ? std::span<const token_id>(*options.end_of_text) : end_of_text_of(*model_);
        finished_.reset();
        text_.restart(options.stop_strings);
    }

    /// Adds a predicted token and ends the completion where it is the last.
    /// @param index   among the new tokens
    /// @param is_full no position is left for another token
    [[nodiscard]] token_event add(const prediction& made, const generate_options& options, std::size_t index,
                                  bool is_full) {
        const bool end = is_end_of_text(made.token, options);
        const completion_progress now{.result = made.result,
                                      .found_stop_string = text_.push(made.token, end),
                                      .is_end_of_text = end,
                                      .new_tokens = index + 1,
                                      .is_context_full = is_full,
                                      .started = started_};
        if (const auto reason = finish_after(now, options)) finish(*reason);
        return {.id = made.token,
                .index = index,
                .piece = text_.take_shown(),
                .log_probability = made.log_probability,
                .exit_layer = made.exit_layer,
                .drafted = made.drafted};
    }
    /// Ends the completion: all of its text is final.
    void finish(finish_reason reason) noexcept {
        finished_ = reason;
        text_.end();
    }
    /// Goes back to the first tokens of the completion.
    void replay(std::span<const token_id> ids, const generate_options& options) {
        finished_.reset();
        text_.restart(options.stop_strings);
        for (const token_id id : ids) (void)text_.push(id, is_end_of_text(id, options));
        (void)text_.take_shown();  // already carried by events
    }

    /// Surround a prediction: a completion whose gate throws in between has ended as cancelled.
    void begin_prediction() noexcept { finished_ = finish_reason::cancelled; }
    void end_prediction() noexcept { finished_.reset(); }

    /// Returns why the completion ended; nothing while it is running.
    [[nodiscard]] std::optional<finish_reason> finished() const noexcept { return finished_; }
    /// Returns the text so far, and its end that no event carried.
    [[nodiscard]] std::string_view text() const noexcept { return text_.text(); }
    [[nodiscard]] std::string_view unshown() const noexcept { return text_.unshown(); }

private:
    [[nodiscard]] bool is_end_of_text(token_id id, const generate_options& options) const noexcept {
        const auto is_in = [id](const auto& ids) { return std::ranges::find(ids, id) != ids.end(); };
        return is_in(end_of_text_) || is_in(options.more_end_of_text);
    }

    const Model* model_;
    text_stream<Model> text_;
    clock::time_point started_;
    std::span<const token_id> end_of_text_;
    std::optional<earlyout::finish_reason> finished_;
};

/// Adds a prediction to a completion, or ends it.
/// @param running running_completion
/// @return the event; nothing when the completion ended without a token
template <class Running, class Model>
std::optional<token_event> add_prediction(Running& running, completion_output<Model>& output, const prediction& made) {
    using enum prediction::outcome;
    if (made.result != token) {
        const bool is_stop = made.result == stopped || made.result == budget_spent;
        if (is_stop) running.note_stop(made.exit_layer);
        if (!is_stop || !running.options().emit_at_stop) {
            output.finish(reason_of(made.result));
            return std::nullopt;
        }
    }
    running.accept(made);
    return output.add(made, running.options(), running.ids().size() - 1, running.is_full());
}

/// Returns a completion that has ended.
template <class Running, class Model>
[[nodiscard]] completion completed(const Running& running, const completion_output<Model>& output, run_stats stats) {
    return {.text = std::string(output.text()),
            .ids = running.ids(),
            .exit_layers = running.exit_layers(),
            .log_probabilities = running.log_probabilities(),
            .finish_reason = *output.finished(),
            .unstreamed = std::string(output.unshown()),
            .stats = std::move(stats)};
}

}}}  // namespace earlyout::EARLYOUT_ABI::detail

#endif
