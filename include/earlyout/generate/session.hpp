// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_SESSION_HPP
#define EARLYOUT_GENERATE_SESSION_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/thread_pool.hpp>
#include <earlyout/exit/exit_policy.hpp>
#include <earlyout/exit/shortlist.hpp>
#include <earlyout/generate/completion.hpp>
#include <earlyout/generate/decode_step.hpp>
#include <earlyout/generate/detail/head_calls.hpp>
#include <earlyout/generate/detail/model_access.hpp>
#include <earlyout/generate/detail/text_stream.hpp>
#include <earlyout/generate/events.hpp>
#include <earlyout/generate/options.hpp>
#include <earlyout/generate/run_stats.hpp>
#include <earlyout/generate/sampler.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Callback that never stops.
inline constexpr auto proceed_always = [](const token_event&) noexcept { return flow::proceed; };

/// One sequence of one user over a shared immutable model. All memory is taken when it is made; a step
/// allocates nothing and throws nothing. Not for use by two threads at once; two sessions are.
///
/// A next prompt that begins like the tokens it holds is continued from there, with the same output as in
/// a fresh session.
template <class Model, class Policy = decltype(full_depth())>
class session {
    static_assert(detail::is_exit_policy<Policy>,
                  "earlyout: a session takes a model and an exit_policy, as in session{model, exit_policy{plan, "
                  "shared_head{}, propagate{}}}");

    using network_type = detail::network_of<Model>;
    using memory = typename Policy::plan_type::sequence_state;
    using clock = std::chrono::steady_clock;

    static constexpr bool has_shortlist = detail::is_shortlist<typename Policy::head_type>;
    static constexpr bool layers_exist = [] {
        if constexpr (requires { network_type::static_shape; }) {
            constexpr std::size_t layers = network_type::static_shape.layers;
            return layers == 0 || Policy::plan_type::deepest_layer <= layers;
        } else {
            return true;
        }
    }();
    static_assert(layers_exist, "earlyout: the exit plan has an exit after a layer that the model does not have");

public:
    /// @param model must outlive the session
    /// @throws error when the policy does not fit the model, or the options ask for what it or the system cannot give
    explicit session(const Model& model, Policy policy = full_depth(), const session_options& options = {}) try
        : model_(&model),
          policy_(std::move(policy)),
          own_threads_(make_executor(options.run_on, options.threads)),
          own_prefill_threads_(options.prefill_threads == 0 || options.prefill_threads == options.threads
                                   ? nullptr
                                   : make_executor(options.run_on, options.prefill_threads)),
          decode_on_(options.run_on != nullptr ? options.run_on : own_threads_.get()),
          prefill_on_(own_prefill_threads_ != nullptr ? own_prefill_threads_.get() : decode_on_),
          tokens_(detail::network(model), checked_capacity(model, options), checked_block(options),
                  prefill_on_->concurrency() > decode_on_->concurrency() ? *prefill_on_ : *decode_on_, options.kv),
          signals_(shape().d_model, shape().vocab),
          sampler_(shape().vocab),
          text_(model, tokens_.capacity()) {
        policy_.plan.check(shape());
        if constexpr (requires { policy_.head.check(shape()); }) policy_.head.check(shape());
        signals_.set_head(heads_.all);
        if constexpr (has_shortlist) {
            const std::size_t count = std::min(policy_.head.tokens(), shape().vocab);
            tokens_.make_room_for_outputs(count);
            signals_.set_shortlist(count, heads_.keep, heads_.few);
        }
        ids_.reserve(capacity() + 1);
        exit_layers_.reserve(capacity() + 1);
        log_probabilities_.reserve(capacity() + 1);
        memory_before_.resize(capacity() + 1);
    } catch (const std::bad_alloc&) {
        refuse_memory(model, options);
    } catch (const std::length_error&) {
        refuse_memory(model, options);
    }
    session(const Model&& model, Policy policy = full_depth(), const session_options& options = {}) = delete;
    session(const session&) = delete;
    session& operator=(const session&) = delete;

    /// Continues a text.
    /// @throws error (invalid_argument) for an empty prompt or options without meaning, (out_of_range) for a
    ///         prompt longer than the capacity unless `cut_prompt` is set; the session is then as it was before.
    ///         (wrong_value) when the model's logits are not numbers
    completion complete(std::string_view prompt, const generate_options& options = {},
                        token_callback on_token = proceed_always) {
        static_assert(detail::has_tokenizer<Model>,
                      "earlyout: completing text needs a model with a tokenizer, such as io::load returns; give token "
                      "ids instead");
        if (prompt.empty()) fail(errc::invalid_argument, "prompt: expected text, found none");
        return complete(detail::encode_prompt(*model_, prompt, options.plain_text), options, on_token);
    }
    /// Continues a sequence of token ids.
    completion complete(std::span<const token_id> prompt, const generate_options& options = {},
                        token_callback on_token = proceed_always) {
        start(prompt, options);
        while (const std::optional<token_event> event = next()) {
            if (on_token(*event) == flow::stop && !finished_) finish(finish_reason::callback);
        }
        if (finished_ == finish_reason::not_a_number) {
            fail(errc::wrong_value, detail::name_of(*model_), "logits after layer ", step_.exit_layer, " at position ",
                 tokens_.size() - 1, ": expected numbers, found NaN, infinity or none that is finite");
        }
        return {std::string(text_.text()),    ids_,   exit_layers_, log_probabilities_, *finished_,
                std::string(text_.unshown()), stats()};
    }
    completion complete(const std::vector<token_id>& prompt, const generate_options& options = {},
                        token_callback on_token = proceed_always) {
        return complete(std::span<const token_id>(prompt), options, on_token);
    }

    /// Begins a completion: reuses what it can of the tokens it holds and runs the prompt. Then call next()
    /// until it is empty.
    /// @throws error as complete() does, except for logits: those are finish_reason::not_a_number
    void start(std::span<const token_id> prompt, const generate_options& options = {}) {
        // What can fail comes first: a completion that is refused leaves the session as it was.
        const clock::time_point started = clock::now();
        check(options);
        const std::size_t given = prompt.size();
        prompt = checked_prompt(prompt, options);
        generate_options taken = options;
        text_.prepare(taken.stop_strings);
        const memory gate_memory = policy_.plan.start_sequence();

        started_ = started;
        options_ = std::move(taken);
        end_of_text_ =
            options_.end_of_text ? std::span<const token_id>(*options_.end_of_text) : detail::end_of_text_of(*model_);
        text_.restart(options_.stop_strings);
        finished_.reset();
        ids_.clear();
        exit_layers_.clear();
        log_probabilities_.clear();
        gate_memory_ = gate_memory;
        prompt_size_ = prompt.size();
        signals_.start_completion(prompt_size_);
        if (needs_no_logits()) {
            signals_.set_summary(heads_.summary);
        } else {
            signals_.set_summary({});
        }
        stats_ = {};
        counts_ = {};
        stats_.prompt_tokens = prompt.size();
        stats_.cut_tokens = given - prompt.size();
        stats_.reused_tokens = reuse(prompt);
        for (const token_id id : prompt.subspan(stats_.reused_tokens)) tokens_.push(id);
        predict_from_prompt();
    }

    /// The next token, or nothing when the completion has ended; finish_reason() says why. The event's
    /// piece is valid until the next call.
    std::optional<token_event> next() {
        if (finished_) return std::nullopt;
        if (!ids_.empty() && !predict_next()) return std::nullopt;

        if (step_.result == step_result::outcome::not_a_number) return finish(finish_reason::not_a_number);
        const bool at_stop = step_.result != step_result::outcome::predicted;
        if (at_stop) {
            stats_.stop_layer = step_.exit_layer;
            if (!options_.emit_at_stop) return finish(reason_of_stop());
            find_answer();
        }
        if (!signals_.are_numbers()) return finish(finish_reason::not_a_number);
        const token_id id = draw(at_stop);
        token_event event{.id = id,
                          .index = ids_.size(),
                          .piece = {},
                          .log_probability = signals_.log_probability(id),
                          .exit_layer = step_.exit_layer};
        ids_.push_back(id);
        exit_layers_.push_back(step_.exit_layer);
        log_probabilities_.push_back(event.log_probability);
        event.piece = show(id, at_stop);
        return event;
    }

    /// Why the completion ended; nothing while it goes on.
    [[nodiscard]] std::optional<earlyout::finish_reason> finish_reason() const noexcept { return finished_; }

    /// Takes back all but the first `count` new tokens, as if they had never been: cache, stash, gate state,
    /// text and stop strings. The completion goes on from there.
    /// @throws error (out_of_range) when there are fewer
    void rollback(std::size_t count) {
        if (count > ids_.size()) {
            fail(errc::out_of_range, "rollback: expected at most ", ids_.size(), " tokens to keep, found ", count);
        }
        if (count == ids_.size()) return;
        gate_memory_ = memory_before_[count];
        ids_.resize(count);
        exit_layers_.resize(count);
        log_probabilities_.resize(count);
        finished_.reset();
        stats_.stop_layer = 0;
        text_.restart(options_.stop_strings);
        for (const token_id id : ids_) (void)text_.push(id, is_end_of_text(id));
        (void)text_.take_shown();  // events have carried that much
        if (count != 0) {
            tokens_.rollback(prompt_size_ + count - 1);
            return;
        }
        const token_id last = tokens_.ids()[prompt_size_ - 1];
        tokens_.rollback(prompt_size_ - 1);
        tokens_.push(last);
        predict_from_prompt();
    }

    /// New tokens so far.
    [[nodiscard]] std::span<const token_id> ids() const noexcept { return ids_; }
    /// Their text so far.
    [[nodiscard]] std::string_view text() const noexcept { return text_.text(); }
    [[nodiscard]] std::size_t capacity() const noexcept { return tokens_.capacity(); }
    [[nodiscard]] const Model& model() const noexcept { return *model_; }
    /// The tokens it holds and how far each has come.
    [[nodiscard]] const sequence<network_type>& tokens() const noexcept { return tokens_; }

    /// What the present completion has done so far.
    [[nodiscard]] run_stats stats() const {
        run_stats s = stats_;
        s.layers = shape().layers;
        s.new_tokens = ids_.size();
        s.exit_histogram.assign(s.layers + 1, 0);
        for (const std::size_t layer : exit_layers_) ++s.exit_histogram[layer];
        if (s.stop_layer != 0 && !options_.emit_at_stop) ++s.exit_histogram[s.stop_layer];
        s.debt_repaid = counts_.debt_repaid;
        s.gate_evaluations = counts_.gate_evaluations;
        s.gate_seconds = counts_.gate_seconds;
        return s;
    }

private:
    [[nodiscard]] const model_shape& shape() const noexcept { return detail::network(*model_).shape(); }

    static std::unique_ptr<executor> make_executor(const executor* lent, std::size_t threads) {
        if (lent != nullptr) return nullptr;
        if (threads == 1) return std::make_unique<inline_executor>();
        return std::make_unique<thread_pool>(threads);
    }
    static std::size_t checked_capacity(const Model& model, const session_options& options) {
        const std::size_t context = detail::network(model).shape().context;
        if (options.capacity > context) {
            fail(errc::out_of_range, "capacity: expected at most the model's context of ", context, " tokens, found ",
                 options.capacity);
        }
        // Memory for all of a capacity is taken at once, and some models' contexts would need more than there is.
        constexpr std::size_t most_by_default = 4096;
        return options.capacity == 0 ? std::min(context, most_by_default) : options.capacity;
    }
    [[noreturn]] static void refuse_memory(const Model& model, const session_options& options) {
        fail(errc::io, "session: expected memory for ", checked_capacity(model, options), " tokens in blocks of ",
             options.block, ", the system has less; ask for a smaller capacity or block");
    }
    static std::size_t checked_block(const session_options& options) {
        if (options.block == 0) fail(errc::invalid_argument, "block: expected at least 1 token, found 0");
        return options.block;
    }

    /// The prompt as it will run: every id valid, cut on the left where that was asked for.
    [[nodiscard]] std::span<const token_id> checked_prompt(std::span<const token_id> prompt,
                                                           const generate_options& options) {
        if (prompt.empty()) fail(errc::invalid_argument, "prompt: expected at least one token, found none");
        for (const token_id id : prompt) {
            if (id < 0 || std::cmp_greater_equal(id, shape().vocab)) {
                fail(errc::out_of_range, "prompt: expected token ids 0 .. ", shape().vocab - 1, ", found ", id);
            }
        }
        if (prompt.size() > capacity() && options.cut_prompt) {
            cut_ = detail::cut_prompt(*model_, prompt, kept_of_long_prompt(capacity(), options));
            return cut_;
        }
        if (prompt.size() > capacity()) {
            fail(errc::out_of_range, "prompt: expected at most ", capacity(), " tokens, found ", prompt.size(),
                 "; ask for cut_prompt to drop its start",
                 capacity() < shape().context ? ", or for a larger capacity" : "");
        }
        return prompt;
    }

    /// Keeps the tokens that the prompt shares with those held, as far as they are the full model's own.
    std::size_t reuse(std::span<const token_id> prompt) {
        const std::span<const token_id> held = tokens_.ids();
        const auto common = static_cast<std::size_t>(std::ranges::mismatch(held, prompt).in1 - held.begin());
        const std::size_t keep = std::min({common, tokens_.exact(), prompt.size() - 1});
        tokens_.rollback(keep);
        return keep;
    }

    /// Runs the prompt and predicts the first new token.
    void predict_from_prompt() {
        const clock::time_point begun = clock::now();
        const work_count before = tokens_.work();
        memory_before_[0] = gate_memory_;
        tokens_.run_on(*prefill_on_);
        if (policy_.cache.prefill == prefill::lazy) {
            const std::uint64_t debt = counts_.debt_repaid;
            step_ = decode_step(tokens_, policy_, signals_, gate_memory_, 0, options_.cancel, counts_);
            counts_.debt_repaid = debt;  // the prompt on its first way up owes nothing
        } else {
            const bool done = tokens_.climb(1, shape().layers, options_.cancel, prompt_size_ - 1);
            signals_.start_token(prompt_size_ - 1);
            signals_.arrive(shape().layers, tokens_.row(prompt_size_ - 1));
            step_ = {done ? step_result::outcome::predicted : step_result::outcome::cancelled, shape().layers};
        }
        if (step_.result == step_result::outcome::predicted) find_answer();
        tokens_.run_on(*decode_on_);
        if (step_.result == step_result::outcome::cancelled) finish(finish_reason::cancelled);
        stats_.prefill = stats_.prefill + (tokens_.work() - before);
        stats_.prefill_seconds += seconds_since(begun);
    }

    /// Feeds the last new token and predicts the one after it; false when the completion ended instead.
    bool predict_next() {
        if (tokens_.size() == capacity()) return finish(finish_reason::context_full).has_value();
        const clock::time_point begun = clock::now();
        const work_count before = tokens_.work();
        memory_before_[ids_.size()] = gate_memory_;
        tokens_.push(ids_.back());
        step_ = decode_step(tokens_, policy_, signals_, gate_memory_, waiting(), options_.cancel, counts_);
        if (step_.result == step_result::outcome::predicted) find_answer();
        stats_.decode = stats_.decode + (tokens_.work() - before);
        stats_.decode_seconds += seconds_since(begun);
        if (step_.result != step_result::outcome::cancelled) return true;
        return finish(finish_reason::cancelled).has_value();
    }

    /// Generated tokens that left early since the last prediction at full depth. Told from their layers and
    /// not from the cache, which may hold more after a rollback.
    [[nodiscard]] std::size_t waiting() const noexcept {
        const auto deep = std::find(exit_layers_.rbegin(), exit_layers_.rend(), shape().layers);
        const auto since = static_cast<std::size_t>(deep - exit_layers_.rbegin());
        return std::min(since, ids_.size() - 1);  // the first prediction is the last prompt token's
    }

    /// Computes what the next token is drawn from.
    void find_answer() {
        if (needs_no_logits() || (sampler::takes_argmax(options_) && shortlist_answers(step_.exit_layer))) {
            (void)signals_.argmax();
        } else {
            (void)signals_.logits();
        }
    }
    /// True where the likeliest token is all that anybody asks of an exit's logits.
    [[nodiscard]] bool needs_no_logits() const noexcept {
        const signal_set read = policy_.plan.signals();
        return heads_.summarizes && sampler::takes_argmax(options_) && !read.contains(signal::logits) &&
               !read.contains(signal::entropy);
    }
    [[nodiscard]] bool shortlist_answers(std::size_t layer) const noexcept {
        if constexpr (has_shortlist) {
            return layer < shape().layers || policy_.head.reach() == shortlist_reach::full_depth;
        } else {
            return false;
        }
    }
    [[nodiscard]] token_id draw(bool at_stop) {
        if (at_stop || sampler::takes_argmax(options_)) return signals_.argmax();
        return sampler_(signals_.logits(), tokens_.ids(), options_, ids_.size());
    }

    /// Adds the token's text, ends the completion where this token is the last, and returns what may be shown.
    std::string_view show(token_id id, bool at_stop) {
        const bool end = is_end_of_text(id);
        const bool found = text_.push(id, end);
        if (found) {
            finish(finish_reason::stop_string);
        } else if (end) {
            finish(finish_reason::end_of_text);
        } else if (at_stop) {
            finish(reason_of_stop());
        } else if (ids_.size() == options_.max_new_tokens) {
            finish(finish_reason::max_new_tokens);
        } else if (tokens_.size() == capacity()) {
            finish(finish_reason::context_full);
        } else if (options_.max_time && clock::now() - started_ >= *options_.max_time) {
            finish(finish_reason::max_time);
        }
        return text_.take_shown();
    }

    [[nodiscard]] earlyout::finish_reason reason_of_stop() const noexcept {
        return step_.result == step_result::outcome::spent ? finish_reason::budget_spent
                                                           : finish_reason::stopped_by_gate;
    }
    [[nodiscard]] bool is_end_of_text(token_id id) const noexcept {
        const auto is_in = [id](const auto& ids) { return std::ranges::find(ids, id) != ids.end(); };
        return is_in(end_of_text_) || is_in(options_.more_end_of_text);
    }
    std::optional<token_event> finish(earlyout::finish_reason reason) noexcept {
        finished_ = reason;
        text_.end();
        return std::nullopt;
    }
    [[nodiscard]] static double seconds_since(clock::time_point begun) noexcept {
        return std::chrono::duration<double>(clock::now() - begun).count();
    }

    const Model* model_;
    Policy policy_;
    std::unique_ptr<executor> own_threads_;
    std::unique_ptr<executor> own_prefill_threads_;
    executor* decode_on_;
    executor* prefill_on_;
    sequence<network_type> tokens_;
    exit_signals signals_;
    run_stats stats_;
    detail::head_calls<network_type, Policy> heads_{policy_, tokens_, stats_};
    sampler sampler_;
    detail::text_stream<Model> text_;

    // Of the present completion:
    generate_options options_;
    std::span<const token_id> end_of_text_;
    clock::time_point started_;
    std::size_t prompt_size_ = 0;
    std::vector<token_id> cut_;
    std::vector<token_id> ids_;
    std::vector<std::size_t> exit_layers_;
    std::vector<float> log_probabilities_;
    memory gate_memory_{};
    std::vector<memory> memory_before_;  ///< gate memory before each prediction
    step_result step_;
    step_counts counts_;
    std::optional<earlyout::finish_reason> finished_;
};

template <class Model>
session(const Model&) -> session<Model, decltype(full_depth())>;
template <class Model, class Policy>
session(const Model&, Policy) -> session<Model, Policy>;
template <class Model, class Policy>
session(const Model&, Policy, session_options) -> session<Model, Policy>;

}}  // namespace earlyout::EARLYOUT_ABI

#endif
