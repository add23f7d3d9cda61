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

#include "completion_counter.hpp"
#include "idle_prompt.hpp"
#include "policy_table.hpp"
#include "running_job.hpp"

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
        idle_.interrupt();
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
        idle_.interrupt();
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
                if (is_idle_ && !idle_.is_wanted()) changed_.wait(lock, stop, [&] { return !incoming_.empty(); });
                arrived.swap(incoming_);
                arrived_ = arrived.size();
            }
            if (!arrived.empty()) {
                idle_.interrupt();
            } else if (is_idle_ && idle_.is_wanted()) {
                compute_idle_prompt();
            }
            for (auto& [wanted, when] : arrived) take(std::move(wanted), when);
            is_idle_ = !scheduler_.run();
            publish();
        }
        end_all();
    }
    /// Ends what has not ended: the engine is being destroyed.
    void end_all() {
        idle_.interrupt();
        while (scheduler_.run()) {
        }
        for (auto& [wanted, when] : std::exchange(incoming_, {})) {
            outcome none;
            none.reason = eo::finish_reason::cancelled;
            if (wanted.on_end) wanted.on_end(std::move(none));
        }
    }

    void take(job wanted, clock::time_point submitted) {
        const auto one = std::make_shared<running_job>(std::move(wanted), submitted);
        try {
            scheduler::job made;
            {
                const std::lock_guard lock(mutex_);
                one->way = policies_.find(one->of.policy, one->of.drafts);
            }
            made.policy = one->way.policy;
            made.drafter = one->way.drafter;
            if (one->of.shorten) shorten(*one);
            made.prompt = one->of.prompt;
            made.options = one->of.options;
            made.reuses_prefix = one->of.reuse_prefix;
            made.only_prefill = one->of.prefill_only;
            // A completion ends when the client leaves, and when the engine does.
            const std::function<void()> stop = [source = one->cancel]() mutable { source.request_stop(); };
            one->by_client.emplace(one->of.options.cancel.token(), stop);
            one->by_engine.emplace(ending_.get_token(), stop);
            made.options.cancel = one->cancel.get_token();
            if (one->reads_logits()) {
                made.options.on_logits = [one, further = made.options.on_logits](std::span<const eo::token_id> ids,
                                                                                 std::span<float> logits) {
                    if (further) further(ids, logits);
                    one->read(ids, logits);
                };
            }
            made.on_start = [one] { one->started = clock::now(); };
            made.on_token = [one](const eo::token_event& e) { return one->report(e); };
            made.on_end = [this, one](const eo::completion& done) { end(*one, done); };
            made.on_error = [one](const std::exception_ptr& error) { one->refuse(error); };
            scheduler_.submit(std::move(made));
        } catch (...) {
            one->refuse(std::current_exception());
        }
    }
    /// Shortens a prompt as its job wants; all of it is computed later.
    void shorten(running_job& one) {
        const auto reusable = [&](std::span<const eo::token_id> ids) {
            return one.of.reuse_prefix ? scheduler_.reusable(ids, one.way.policy->active_experts) : 0;
        };
        std::vector<eo::token_id> all = one.of.shorten({scheduler_.prompt_token_seconds(), reusable});
        all.swap(one.of.prompt);
        if (one.of.reuse_prefix && one.of.prompt.size() < all.size()) idle_.set(std::move(all), one.way);
    }
    void compute_idle_prompt() {
        try {
            scheduler::job made{.prompt = idle_.prompt(),
                                .options = {.max_new_tokens = 1, .cancel = idle_.begin()},
                                .policy = idle_.way().policy,
                                .drafter = idle_.way().drafter,
                                .only_prefill = true};
            made.on_end = [this](const eo::completion& done) {
                idle_.end(done.finish_reason == eo::finish_reason::cancelled);
                count(done);
            };
            made.on_error = [this](const std::exception_ptr&) { idle_.end(false); };
            scheduler_.submit(std::move(made));
        } catch (const std::exception&) {  // nobody waits for it
            idle_.end(false);
        }
    }
    void end(running_job& one, const eo::completion& done) {
        outcome made;
        try {
            made = one.outcome_of(done);
            remember(one.of.prompt, done.ids);
        } catch (...) {
            one.refuse(std::current_exception());
            return;
        }
        count(done);
        if (one.of.on_end) one.of.on_end(std::move(made));
    }
    void count(const eo::completion& done) {
        const std::lock_guard lock(mutex_);
        counter_.add(done, counts_);
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
        counts_.rounds = scheduler_.rounds();
        counts_.layer_tokens = scheduler_.work().layer_tokens;
        counts_.weight_bytes = scheduler_.work().weight_bytes;
        counts_.running = scheduler_.running();
        if (idle_.is_running()) {
            // It runs alone, and yields to whatever comes.
            for (auto& s : states_) s.is_busy = false;
            counts_.running = 0;
        }
        counts_.waiting = scheduler_.waiting();
        const eo::kv_pool& pages = scheduler_.pages();
        counts_.kv_bytes_max = pages.pages() * pages.page_bytes();
        counts_.kv_bytes_used = (pages.pages() - pages.available()) * pages.page_bytes();
    }

    engine_options options_;
    std::shared_ptr<eo::suffix_store> recent_;
    mutable policy_table policies_;  ///< guarded by mutex_
    scheduler scheduler_;
    bool is_idle_ = true;
    idle_prompt idle_;

    mutable std::mutex mutex_;
    std::condition_variable_any changed_;
    std::vector<std::pair<job, clock::time_point>> incoming_;
    std::size_t arrived_ = 0;  ///< taken from there since the last publish()
    std::vector<scheduler::sequence_state> states_;
    engine_counts counts_;
    completion_counter counter_;
    std::stop_source ending_;
    std::jthread thread_;
};

}  // namespace

std::unique_ptr<engine> make_engine(const model& of, engine_options options) {
    return std::make_unique<scheduled_engine>(of, std::move(options));
}

}  // namespace serve
