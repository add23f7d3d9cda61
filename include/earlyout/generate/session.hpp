// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_SESSION_HPP
#define EARLYOUT_GENERATE_SESSION_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/exit/exit_policy.hpp>
#include <earlyout/generate/completion.hpp>
#include <earlyout/generate/detail/completion_output.hpp>
#include <earlyout/generate/drafts/drafter.hpp>
#include <earlyout/generate/drafts/no_drafts.hpp>
#include <earlyout/generate/events.hpp>
#include <earlyout/generate/finish.hpp>
#include <earlyout/generate/model.hpp>
#include <earlyout/generate/options.hpp>
#include <earlyout/generate/prompt.hpp>
#include <earlyout/generate/run_stats.hpp>
#include <earlyout/generate/runner.hpp>
#include <earlyout/generate/sequence_snapshot.hpp>

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
          output_(model, capacity()) {
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
            if (on_token(*event) == flow::stop && !output_.finished()) finish(finish_reason::callback);
        }
        if (output_.finished() == finish_reason::not_a_number) {
            fail(errc::wrong_value, source_of(*model_), "logits after layer ", running().last().exit_layer,
                 " at position ", tokens().size() - 1,
                 ": expected numbers, found NaN, infinity or none that is finite");
        }
        return detail::completed(running(), output_, stats());
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
        check(options, network_of(*model_).shape());
        const std::size_t given = prompt.size();
        prompt = prepare_prompt(*model_, prompt, capacity(), options, cut_);
        output_.prepare(options);
        generate_options taken = options;
        const auto gates = runner_.initial_gates();

        output_.begin_prediction();
        runner_.start(prompt, std::move(taken), gates);
        running().note_cut(given - prompt.size());
        output_.restart(this->options(), started);
    }

    /// Returns the next token, or nothing when the completion has ended; finish_reason() says why. The event's
    /// piece is valid until the next call.
    std::optional<token_event> next() {
        if (output_.finished() || !running().has_started()) return std::nullopt;
        output_.begin_prediction();
        const std::optional<prediction> made = runner_.next();
        output_.end_prediction();
        if (!made) return finish(finish_reason::context_full);
        const std::optional<token_event> event = detail::add_prediction(running(), output_, *made);
        if (output_.finished()) runner_.discard_unread();
        return event;
    }

    /// Returns why the completion ended; nothing while it is running.
    [[nodiscard]] std::optional<earlyout::finish_reason> finish_reason() const noexcept { return output_.finished(); }

    /// Removes all but the first `count` new tokens, as if they had never existed: cache, hidden states, gate state,
    /// text and stop strings. The completion continues from there.
    /// @throws error (out_of_range) when there are fewer
    void rollback(std::size_t count) {
        if (count > ids().size()) {
            fail(errc::out_of_range, "rollback: expected at most ", ids().size(), " tokens to keep, found ", count);
        }
        if (count == ids().size()) return;
        output_.end_prediction();
        runner_.rollback(count);
        output_.replay(ids(), options());
    }

    /// Replaces the tokens it holds by a snapshot's: a prompt that begins with them continues from there.
    /// @throws error (invalid_argument) unless the session has the snapshot's pool
    void restore(const sequence_snapshot& from) {
        if (!from.has_pool_of(tokens()) || from.size() > capacity()) {
            fail(errc::invalid_argument, "restore: expected a snapshot of at most ", capacity(),
                 " tokens in the session's pool, found ", from.size(), " tokens",
                 from.has_pool_of(tokens()) ? "" : " in another");
        }
        runner_.restore(from);
    }
    /// Returns the new tokens so far.
    [[nodiscard]] std::span<const token_id> ids() const noexcept { return running().ids(); }
    /// Returns their text so far.
    [[nodiscard]] std::string_view text() const noexcept { return output_.text(); }
    [[nodiscard]] std::size_t capacity() const noexcept { return tokens().capacity(); }
    [[nodiscard]] const Model& model() const noexcept { return *model_; }
    /// Returns the tokens it holds and the depth each has reached.
    [[nodiscard]] const sequence& tokens() const noexcept { return running().tokens(); }
    /// Returns the statistics of the current completion so far.
    [[nodiscard]] run_stats stats() const { return runner_.stats(); }

private:
    [[nodiscard]] const generate_options& options() const noexcept { return running().options(); }

    [[noreturn]] static void refuse_memory(const Model& model, const session_options& options) {
        fail(errc::io, "session: expected memory for ", resolved_capacity(model, options), " tokens in blocks of ",
             options.block, ", the system has less; choose a smaller capacity or block");
    }

    std::optional<token_event> finish(earlyout::finish_reason reason) noexcept {
        runner_.discard_unread();
        output_.finish(reason);
        return std::nullopt;
    }
    [[nodiscard]] auto& running() noexcept { return runner_.completion(); }
    [[nodiscard]] const auto& running() const noexcept { return runner_.completion(); }

    const Model* model_;
    runner_type runner_;
    detail::completion_output<Model> output_;
    std::vector<token_id> cut_;  // the prompt of the current completion, if it was cut
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
