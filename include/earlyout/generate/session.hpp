// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_SESSION_HPP
#define EARLYOUT_GENERATE_SESSION_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/exit/exit_policy.hpp>
#include <earlyout/generate/completion.hpp>
#include <earlyout/generate/detail/text_stream.hpp>
#include <earlyout/generate/drafts/drafter.hpp>
#include <earlyout/generate/drafts/no_drafts.hpp>
#include <earlyout/generate/events.hpp>
#include <earlyout/generate/finish.hpp>
#include <earlyout/generate/model.hpp>
#include <earlyout/generate/options.hpp>
#include <earlyout/generate/prompt.hpp>
#include <earlyout/generate/run_stats.hpp>
#include <earlyout/generate/runner.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <new>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// A callback that never stops the completion.
inline constexpr auto proceed_always = [](const token_event&) noexcept { return flow::proceed; };

/// One sequence of one user over a shared immutable model: the facade that adds text and finish rules to a runner. All
/// memory is allocated at construction; a step allocates nothing and throws nothing. Movable. A session must not be
/// used by two threads at once; different sessions may.
///
/// A prompt that shares a prefix with the tokens it holds continues from there, with the same output as in a fresh
/// session.
///
/// With a drafter, `session{model, full_depth(), suffix_drafts{}}`, tokens are drafted and verified in blocks: the
/// completion is the same, bit for bit. Where the policy has exits, nothing is drafted.
template <model Model, class Policy = decltype(full_depth()), class Drafter = no_drafts>
class session {
    static_assert(detail::is_exit_policy<Policy>,
                  "earlyout: a session takes a model and an exit_policy, as in session{model, exit_policy{plan, "
                  "shared_head{}, propagate{}}}");

    static_assert((explain_drafter<Drafter>(), true));

    using runner_type = runner<network_type_of<Model>, Policy, Drafter>;

    static_assert(detail::exits_exist<network_type_of<Model>, Policy>,
                  "earlyout: the exit plan has an exit after a layer that the model does not have");

public:
    /// @param model must outlive the session
    /// @throws error when the policy does not fit the model, or the options exceed what it or the system supports
    explicit session(const Model& model, Policy policy = full_depth(), const session_options& options = {})
        : session(model, std::move(policy), Drafter{}, options) {}
    session(const Model& model, Policy policy, Drafter drafter, const session_options& options = {}) try
        : model_(&model),
          runner_(network_of(model), std::move(policy), std::move(drafter), resolved_capacity(model, options), options),
          text_(model, capacity()) {
    } catch (const std::bad_alloc&) {
        refuse_memory(model, options);
    } catch (const std::length_error&) {
        refuse_memory(model, options);
    }
    session(const Model&& model, Policy policy = full_depth(), const session_options& options = {}) = delete;

    /// Continues a text.
    /// @throws error (invalid_argument) for an empty prompt or invalid options, (out_of_range) for a prompt longer than
    /// the capacity unless `cut_prompt` is set; the session is then unchanged. (wrong_value) when the model's logits
    /// are not numbers
    completion complete(std::string_view prompt, const generate_options& options = {},
                        token_callback on_token = proceed_always) {
        static_assert(text_model<Model>,
                      "earlyout: completing text needs a model with a tokenizer, such as io::load returns; give token "
                      "ids instead");
        if (prompt.empty()) fail(errc::invalid_argument, "prompt: expected text, found none");
        return complete(encode_prompt(*model_, prompt, options.plain_text), options, on_token);
    }
    /// Continues a sequence of token ids.
    completion complete(std::span<const token_id> prompt, const generate_options& options = {},
                        token_callback on_token = proceed_always) {
        start(prompt, options);
        while (const std::optional<token_event> event = next()) {
            if (on_token(*event) == flow::stop && !finished_) finish(finish_reason::callback);
        }
        if (finished_ == finish_reason::not_a_number) {
            fail(errc::wrong_value, source_of(*model_), "logits after layer ", runner_.last().exit_layer,
                 " at position ", tokens().size() - 1,
                 ": expected numbers, found NaN, infinity or none that is finite");
        }
        return {
            std::string(text_.text()),    runner_.ids(), runner_.exit_layers(), runner_.log_probabilities(), *finished_,
            std::string(text_.unshown()), stats()};
    }
    completion complete(const std::vector<token_id>& prompt, const generate_options& options = {},
                        token_callback on_token = proceed_always) {
        return complete(std::span<const token_id>(prompt), options, on_token);
    }

    /// Begins a completion: reuses what it can of the tokens it holds and runs the prompt. Then call next() until it
    /// returns nothing.
    /// @throws error as complete() does, except for logits: those are finish_reason::not_a_number
    void start(std::span<const token_id> prompt, const generate_options& options = {}) {
        // Whatever can fail comes first: a refused completion does not change the session.
        const auto started = std::chrono::steady_clock::now();
        check(options);
        const std::size_t given = prompt.size();
        prompt = prepare_prompt(*model_, prompt, capacity(), options, cut_);
        generate_options taken = options;
        text_.prepare(taken.stop_strings);
        const auto gates = runner_.initial_gates();

        started_ = started;
        finished_ = finish_reason::cancelled;  // for when a gate throws
        runner_.start(prompt, std::move(taken), gates);
        finished_.reset();
        runner_.note_cut(given - prompt.size());
        end_of_text_ = this->options().end_of_text ? std::span<const token_id>(*this->options().end_of_text)
                                                   : end_of_text_of(*model_);
        text_.restart(this->options().stop_strings);
    }

    /// Returns the next token, or nothing when the completion has ended; finish_reason() says why. The event's
    /// piece is valid until the next call.
    std::optional<token_event> next() {
        if (finished_ || !runner_.has_started()) return std::nullopt;
        finished_ = finish_reason::cancelled;  // for when a gate throws
        const std::optional<prediction> made = runner_.next();
        finished_.reset();
        if (!made) return finish(finish_reason::context_full);
        if (made->result == prediction::outcome::cancelled || made->result == prediction::outcome::not_a_number) {
            return finish(reason_of(made->result));
        }
        if (made->result != prediction::outcome::token) {
            runner_.note_stop(made->exit_layer);
            if (!options().emit_at_stop) return finish(reason_of(made->result));
        }
        runner_.accept(*made);
        return token_event{.id = made->token,
                           .index = ids().size() - 1,
                           .piece = show(*made),
                           .log_probability = made->log_probability,
                           .exit_layer = made->exit_layer,
                           .drafted = made->drafted};
    }

    /// Returns why the completion ended; nothing while it is running.
    [[nodiscard]] std::optional<earlyout::finish_reason> finish_reason() const noexcept { return finished_; }

    /// Removes all but the first `count` new tokens, as if they had never existed: cache, hidden states, gate state,
    /// text and stop strings. The completion continues from there.
    /// @throws error (out_of_range) when there are fewer
    void rollback(std::size_t count) {
        if (count > ids().size()) {
            fail(errc::out_of_range, "rollback: expected at most ", ids().size(), " tokens to keep, found ", count);
        }
        if (count == ids().size()) return;
        finished_.reset();
        runner_.rollback(count);
        text_.restart(options().stop_strings);
        for (const token_id id : ids()) (void)text_.push(id, is_end_of_text(id));
        (void)text_.take_shown();  // already carried by events
    }

    /// Returns the new tokens so far.
    [[nodiscard]] std::span<const token_id> ids() const noexcept { return runner_.ids(); }
    /// Returns their text so far.
    [[nodiscard]] std::string_view text() const noexcept { return text_.text(); }
    [[nodiscard]] std::size_t capacity() const noexcept { return tokens().capacity(); }
    [[nodiscard]] const Model& model() const noexcept { return *model_; }
    /// Returns the tokens it holds and the depth each has reached.
    [[nodiscard]] const sequence& tokens() const noexcept { return runner_.tokens(); }
    /// Returns the statistics of the current completion so far.
    [[nodiscard]] run_stats stats() const { return runner_.stats(); }

private:
    [[nodiscard]] const generate_options& options() const noexcept { return runner_.options(); }

    [[noreturn]] static void refuse_memory(const Model& model, const session_options& options) {
        fail(errc::io, "session: expected memory for ", resolved_capacity(model, options), " tokens in blocks of ",
             options.block, ", the system has less; choose a smaller capacity or block");
    }

    /// Adds the token's text, ends the completion where this token is the last, and returns what may be shown.
    std::string_view show(const prediction& drawn) {
        const bool end = is_end_of_text(drawn.token);
        const completion_progress now{.result = drawn.result,
                                      .found_stop_string = text_.push(drawn.token, end),
                                      .is_end_of_text = end,
                                      .new_tokens = ids().size(),
                                      .is_context_full = runner_.is_full(),
                                      .started = started_};
        if (const auto reason = finish_after(now, options())) finish(*reason);
        return text_.take_shown();
    }
    [[nodiscard]] bool is_end_of_text(token_id id) const noexcept {
        const auto is_in = [id](const auto& ids) { return std::ranges::find(ids, id) != ids.end(); };
        return is_in(end_of_text_) || is_in(options().more_end_of_text);
    }
    std::optional<token_event> finish(earlyout::finish_reason reason) noexcept {
        finished_ = reason;
        runner_.discard_unread();
        text_.end();
        return std::nullopt;
    }

    const Model* model_;
    runner_type runner_;
    detail::text_stream<Model> text_;

    // Of the current completion:
    std::span<const token_id> end_of_text_;
    std::chrono::steady_clock::time_point started_;
    std::vector<token_id> cut_;
    std::optional<earlyout::finish_reason> finished_;
};

template <class Model>
session(const Model&) -> session<Model, decltype(full_depth())>;
template <class Model, class Policy>
session(const Model&, Policy) -> session<Model, Policy>;
template <class Model, class Policy>
session(const Model&, Policy, session_options) -> session<Model, Policy>;
template <class Model, class Policy, class Drafter>
session(const Model&, Policy, Drafter) -> session<Model, Policy, Drafter>;
template <class Model, class Policy, class Drafter>
session(const Model&, Policy, Drafter, session_options) -> session<Model, Policy, Drafter>;

}}  // namespace earlyout::EARLYOUT_ABI

#endif
