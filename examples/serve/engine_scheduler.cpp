// SPDX-License-Identifier: MIT
#include "engine_scheduler.hpp"

#include <earlyout/core/error.hpp>
#include <earlyout/generate/drafts/suffix_store.hpp>
#include <earlyout/generate/make_session.hpp>
#include <earlyout/generate/scheduler.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include "policy_table.hpp"
#include "top_tokens.hpp"

namespace serve {

namespace {

using clock = std::chrono::steady_clock;
using scheduler = eo::scheduler<model, eo::any_exit_policy, eo::any_drafter>;

class scheduled_engine final : public engine {
public:
    scheduled_engine(const model& of, engine_options options)
        : options_(std::move(options)),
          recent_(remember_text(of, options_)),
          policies_(of, options_.policy, options_.sources),
          scheduler_(of, scheduler_options_of(of, options_)),
          states_(options_.slots) {
        (void)policies_.find({}, {});
        publish();
        thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
    }
    ~scheduled_engine() override {
        ending_.request_stop();
        thread_.request_stop();
        changed_.notify_all();
    }

    void check(const job& wanted) const override {
        const std::lock_guard lock(mutex_);
        (void)policies_.find(wanted.policy, wanted.drafts);
        if (wanted.prompt.empty())
            eo::fail(eo::errc::invalid_argument, "prompt: expected at least one token, found none");
        if (wanted.prompt.size() > scheduler_.capacity()) {
            eo::fail(eo::errc::out_of_range, "prompt: expected at most ", scheduler_.capacity(), " tokens, found ",
                     wanted.prompt.size());
        }
        eo::check(wanted.options);
    }
    void submit(job wanted) override {
        {
            const std::lock_guard lock(mutex_);
            incoming_.emplace_back(std::move(wanted), clock::now());
        }
        changed_.notify_all();
    }
    std::size_t slots() const override { return options_.slots; }
    std::vector<slot_state> slot_states() const override {
        const std::lock_guard lock(mutex_);
        std::vector<slot_state> made;
        std::size_t waiting = counts_.waiting + arrived_ + incoming_.size();
        for (std::size_t i = 0; i < states_.size(); ++i) {
            const auto& s = states_[i];
            // What has come since the last round will take the idle ones.
            const bool is_next = !s.is_busy && waiting != 0;
            if (is_next) --waiting;
            made.push_back({i, s.is_busy || is_next, s.prompt_tokens, s.new_tokens, s.held_tokens});
        }
        return made;
    }
    engine_counts counts() const override {
        const std::lock_guard lock(mutex_);
        engine_counts made = counts_;
        made.waiting += arrived_ + incoming_.size();
        return made;
    }
    double prompt_token_seconds() const override {
        const std::lock_guard lock(mutex_);
        return prompt_token_seconds_;
    }
    std::size_t reusable_tokens(std::vector<eo::token_id> prompt) const override {
        // Between two rounds.
        const std::lock_guard lock(running_);
        return scheduler_.reusable(prompt);
    }

private:
    /// Tokens of earlier completions from which later ones draft.
    static constexpr std::size_t recent_tokens = std::size_t{1} << 17;

    /// Makes drafts come from what was generated before, unless they come from other texts.
    static std::shared_ptr<eo::suffix_store> remember_text(const model& of, engine_options& options) {
        if (options.sources.store) return nullptr;
        const auto made = std::make_shared<eo::suffix_store>(
            eo::suffix_store_options{.max_tokens = recent_tokens, .vocab = of.network().shape().vocab});
        options.sources.store = made;
        return made;
    }
    static eo::scheduler_options scheduler_options_of(const model& of, const engine_options& options) {
        eo::scheduler_options made{.sequences = options.slots,
                                   .capacity = options.capacity,
                                   .threads = options.threads,
                                   .kv = options.kv,
                                   .max_stall = options.max_stall};
        if (options.kv_memory != 0) {
            made.kv_pages = options.kv_memory / eo::kv_pool::page_bytes(of.network().shape(), options.kv);
            if (made.kv_pages < of.network().shape().layers) {
                eo::fail(eo::errc::invalid_argument, "KV memory: expected at least ",
                         of.network().shape().layers * eo::kv_pool::page_bytes(of.network().shape(), options.kv),
                         " bytes, for ", eo::kv_pool::max_page_entries, " tokens, found ", options.kv_memory);
            }
        }
        return made;
    }

    void run(const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            std::vector<std::pair<job, clock::time_point>> arrived;
            {
                std::unique_lock lock(mutex_);
                if (is_idle_) changed_.wait(lock, stop, [&] { return !incoming_.empty(); });
                arrived.swap(incoming_);
                arrived_ = arrived.size();
            }
            const std::lock_guard lock(running_);
            for (auto& [wanted, when] : arrived) take(std::move(wanted), when);
            is_idle_ = !scheduler_.run();
            publish();
        }
        end_all();
    }
    /// Ends what has not ended: the engine is being destroyed.
    void end_all() {
        const std::lock_guard lock(running_);
        while (scheduler_.run()) {
        }
        for (auto& [wanted, when] : std::exchange(incoming_, {})) {
            outcome none;
            none.reason = eo::finish_reason::cancelled;
            if (wanted.on_end) wanted.on_end(std::move(none));
        }
    }

    /// What a completion needs while it runs.
    struct running_job {
        job of;
        std::string policy;
        clock::time_point submitted, started;
        std::optional<top_tokens> top;
        std::size_t prompt_tokens = 0;
        std::stop_source cancel{};
        std::optional<std::stop_callback<std::function<void()>>> by_client{}, by_engine{};
    };

    void take(job wanted, clock::time_point submitted) {
        const auto one = std::make_shared<running_job>();
        one->of = std::move(wanted);
        one->submitted = one->started = submitted;
        try {
            scheduler::job made;
            {
                const std::lock_guard lock(mutex_);
                const way_to_run& way = policies_.find(one->of.policy, one->of.drafts);
                made.policy = way.policy;
                made.drafter = way.drafter;
                one->policy = way.text;
            }
            made.prompt = one->of.prompt;
            one->prompt_tokens = made.prompt.size();
            made.options = one->of.options;
            made.reuses_prefix = one->of.reuse_prefix;
            made.only_prefill = one->of.prefill_only;
            // A completion ends when the client leaves, and when the engine does.
            const std::function<void()> stop = [source = one->cancel]() mutable { source.request_stop(); };
            one->by_client.emplace(one->of.options.cancel, stop);
            one->by_engine.emplace(ending_.get_token(), stop);
            made.options.cancel = one->cancel.get_token();
            if (one->of.top_tokens != 0 || !one->of.logit_bias.empty()) {
                if (one->of.top_tokens != 0) one->top.emplace(one->of.top_tokens);
                made.options.on_logits = [one, further = made.options.on_logits](std::span<const eo::token_id> ids,
                                                                                 std::span<float> logits) {
                    if (further) further(ids, logits);
                    for (const candidate& c : one->of.logit_bias) {
                        if (std::cmp_less(c.id, logits.size()) && c.id >= 0) {
                            logits[static_cast<std::size_t>(c.id)] += c.log_probability;
                        }
                    }
                    if (one->top) one->top->record(ids.size(), logits);
                };
            }
            made.on_start = [one] { one->started = clock::now(); };
            made.on_token = [this, one](const eo::token_event& e) { return report(*one, e); };
            made.on_end = [this, one](const eo::completion& done) { end(*one, done); };
            scheduler_.submit(std::move(made));
        } catch (const std::exception& e) {
            outcome failed;
            failed.error = e.what();
            if (one->of.on_end) one->of.on_end(std::move(failed));
        }
    }
    eo::flow report(running_job& one, const eo::token_event& e) {
        if (!one.of.on_token) return eo::flow::proceed;
        new_token made{.id = e.id,
                       .index = e.index,
                       .piece = std::string(e.piece),
                       .log_probability = e.log_probability,
                       .exit_layer = e.exit_layer,
                       .drafted = e.drafted,
                       .top = {}};
        if (one.top) made.top = one.top->at(one.prompt_tokens + e.index);
        return one.of.on_token(made);
    }
    void end(running_job& one, const eo::completion& done) {
        outcome made{.reason = done.finish_reason,
                     .error = {},
                     .text = done.text,
                     .unstreamed = done.unstreamed,
                     .ids = done.ids,
                     .policy = one.policy,
                     .stats = done.stats,
                     .queued_seconds = std::chrono::duration<double>(one.started - one.submitted).count()};
        if (done.finish_reason == eo::finish_reason::not_a_number) {
            made.error = "the model's logits are not numbers";
        }
        remember(one.of.prompt, done.ids);
        {
            const std::lock_guard lock(mutex_);
            counts_.prompt_tokens +=
                done.stats.prompt_tokens - std::min(done.stats.prompt_tokens, done.stats.reused_tokens);
            counts_.reused_tokens += done.stats.reused_tokens;
            counts_.new_tokens += done.ids.size();
            counts_.drafted_tokens += done.stats.drafted;
            counts_.accepted_tokens += done.stats.accepted;
            counts_.prompt_seconds += done.stats.prefill_seconds;
            counts_.decode_seconds += done.stats.decode_seconds;
            counts_.cancelled += done.finish_reason == eo::finish_reason::cancelled ? 1 : 0;
            predictions_ += done.stats.predictions();
            skipped_ += done.stats.layers_skipped() * static_cast<double>(done.stats.predictions());
            counts_.layers_skipped = predictions_ == 0 ? 0.0 : skipped_ / static_cast<double>(predictions_);
        }
        if (one.of.on_end) one.of.on_end(std::move(made));
    }
    /// Lets later completions draft what this one generated: of an editor, the next is often its continuation.
    void remember(std::span<const eo::token_id> prompt, std::span<const eo::token_id> ids) {
        constexpr std::size_t context = 32, fewest = 4;
        if (!recent_ || ids.size() < fewest) return;
        std::vector<eo::token_id> text(prompt.end() - static_cast<std::ptrdiff_t>(std::min(context, prompt.size())),
                                       prompt.end());
        text.insert(text.end(), ids.begin(), ids.end());
        recent_->add(text);
    }
    void publish() {
        const std::lock_guard lock(mutex_);
        states_ = scheduler_.states();
        arrived_ = 0;  // they wait or run now
        prompt_token_seconds_ = scheduler_.prompt_token_seconds();
        counts_.rounds = scheduler_.rounds();
        counts_.layer_tokens = scheduler_.work().layer_tokens;
        counts_.weight_bytes = scheduler_.work().weight_bytes;
        counts_.running = scheduler_.running();
        counts_.waiting = scheduler_.waiting();
        const eo::kv_pool& pages = scheduler_.pages();
        counts_.kv_bytes_max = pages.pages() * pages.page_bytes();
        counts_.kv_bytes_used = (pages.pages() - pages.available()) * pages.page_bytes();
    }

    engine_options options_;
    std::shared_ptr<eo::suffix_store> recent_;
    mutable policy_table policies_;  ///< guarded by mutex_
    mutable std::mutex running_;     ///< held during a round; before mutex_
    scheduler scheduler_;
    bool is_idle_ = true;

    mutable std::mutex mutex_;
    std::condition_variable_any changed_;
    std::vector<std::pair<job, clock::time_point>> incoming_;
    std::size_t arrived_ = 0;  ///< taken from there since the last publish()
    std::vector<scheduler::sequence_state> states_;
    engine_counts counts_;
    double prompt_token_seconds_ = 0.0;
    std::size_t predictions_ = 0;
    double skipped_ = 0.0;
    std::stop_source ending_;
    std::jthread thread_;
};

}  // namespace

std::unique_ptr<engine> make_engine(const model& of, engine_options options) {
    return std::make_unique<scheduled_engine>(of, std::move(options));
}

}  // namespace serve
