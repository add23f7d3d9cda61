// SPDX-License-Identifier: MIT
#include "completion_run.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "api_error.hpp"

namespace serve {

completion_run::completion_run(std::shared_ptr<answer> to, model_pointer model, std::shared_ptr<const settings> wanted,
                               planned plan, std::size_t index)
    : to_(std::move(to)),
      model_(std::move(model)),
      wanted_(std::move(wanted)),
      filter_(std::move(plan.filter)),
      shorten_(std::move(plan.shorten)) {
    made_.index = index;
    made_.prompt = std::move(plan.prompt);
}

token_ids completion_run::shorten(const prompt_costs& costs) {
    made_.prompt = shorten_(*model_, costs, made_.omitted);
    return made_.prompt;
}

eo::flow completion_run::token(const new_token& token) {
    if (filter_.ended() || out_of_time_) return eo::flow::stop;
    if (!first_token_) first_token_ = clock::now();
    made_.tokens.push_back(token);
    const std::string text = filter_.push(token.piece);
    made_.content += text;
    if (to_->streams() && !text.empty()) stream_part(text);
    out_of_time_ = !filter_.ended() && is_out_of_time();
    return filter_.ended() || out_of_time_ ? eo::flow::stop : eo::flow::proceed;
}

bool completion_run::is_out_of_time() {
    const std::chrono::duration<double> since = clock::now() - *first_token_;
    return wanted_->max_predict_seconds > 0.0 && filter_.has_new_line() && since.count() > wanted_->max_predict_seconds;
}

void completion_run::stream_part(const std::string& text) {
    const auto first = made_.tokens.begin() + static_cast<std::ptrdiff_t>(made_.streamed_tokens);
    to_->part({made_.index, made_.prompt.size(), text, {first, made_.tokens.end()}, made_.tokens.size()});
    made_.streamed_tokens = made_.tokens.size();
}

void completion_run::end(outcome of) {
    if (of.reason == eo::finish_reason::not_a_number && of.error.empty()) {
        of.error = "the model's logits: expected numbers, found NaN or infinity";
    }
    if (of.reason == eo::finish_reason::stop_string) made_.stopping_word = stopping_word(of);
    made_.unstreamed = filter_.push(of.unstreamed);
    made_.unstreamed += filter_.finish();
    made_.content += made_.unstreamed;
    made_.has_new_line = filter_.has_new_line();
    made_.of = std::move(of);
    set_reason();
    to_->ended(std::move(made_));
}

void completion_run::set_reason() {
    using reason = eo::finish_reason;
    made_.ended_by = eo::to_string(made_.of.reason);
    made_.stop = made_.of.reason == reason::end_of_text   ? stop_type::eos
                 : made_.of.reason == reason::stop_string ? stop_type::word
                                                          : stop_type::limit;
    if (made_.of.reason == reason::cancelled) made_.cancelled = to_->is_superseded();
    if (filter_.ended()) {
        made_.ended_by = "text_filter";
        made_.stop = stop_type::limit;
        made_.stopping_word.clear();
    } else if (out_of_time_) {
        made_.ended_by = "t_max_predict_ms";
    }
}

/// Returns the stop string that ended a completion: what its tokens have behind its text.
std::string completion_run::stopping_word(const outcome& of) const {
    const std::vector<std::string>& all = wanted_->options.stop_strings;
    if (all.size() == 1) return all.front();
    std::string text;
    for (const eo::token_id id : of.ids) {
        if (model_->words().has(id)) text += model_->words().piece(id);
    }
    std::size_t first = std::string::npos;
    std::string found;
    for (const std::string& stop : all) {
        const std::size_t at = text.find(stop);
        if (at >= first) continue;
        first = at;
        found = stop;
    }
    return found;
}

namespace {

/// Makes the job of one completion, without its callbacks.
job job_of(const planned& plan, const settings& wanted, const loaded_model& model) {
    job made;
    made.prompt = plan.prompt;
    made.options = wanted.options;
    made.options.more_end_of_text = plan.more_end_of_text;
    made.prefill_only = wanted.n_predict == 0;
    made.options.max_new_tokens = wanted.n_predict < 0
                                      ? model.facts.context
                                      : std::max<std::size_t>(1, static_cast<std::size_t>(wanted.n_predict));
    made.reuse_prefix = wanted.cache_prompt;
    made.policy = wanted.policy;
    made.drafts = wanted.drafts;
    made.logit_bias = wanted.logit_bias;
    made.top_tokens = std::min(wanted.n_probs, model.facts.vocab);
    if (wanted.slot) made.slot = static_cast<std::size_t>(*wanted.slot) % std::max<std::size_t>(1, model.runs->slots());
    return made;
}

}  // namespace

prepared prepare_all(const exchange& with, const model_pointer& model, const settings& wanted,
                     std::unique_ptr<reply_format> format, std::vector<planned> plans) {
    std::vector<job> jobs;
    for (const planned& plan : plans) {
        if (plan.prompt.empty()) throw wrong_field("prompt", "at least one token", "none");
        if (plan.prompt.size() > model->facts.context) throw too_long(plan.prompt.size(), model->facts.context);
        for (std::size_t choice = 0; choice < wanted.choices; ++choice) {
            job made = job_of(plan, wanted, *model);
            made.options.cancel = with.cancel.get_token();
            made.options.seed += choice;  // or all choices would be the same
            if (!jobs.empty()) made.slot.reset();
            model->runs->check(made);
            jobs.push_back(std::move(made));
        }
    }
    const auto to = std::make_shared<answer>(with, model, std::move(format), jobs.size(), wanted.stream);
    const auto shared = std::make_shared<const settings>(wanted);
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        const auto run = std::make_shared<completion_run>(to, model, shared, plans[i / wanted.choices], i);
        if (plans[i / wanted.choices].shorten) {
            jobs[i].shorten = [run](const prompt_costs& costs) { return run->shorten(costs); };
        }
        jobs[i].on_token = [run](const new_token& token) {
            try {
                return run->token(token);
            } catch (const std::exception&) {  // of memory: the engine's thread lives on
                return eo::flow::stop;
            }
        };
        jobs[i].on_end = [run](outcome of) { run->end(std::move(of)); };
    }
    return {to, std::move(jobs)};
}

void submit_all(const model_pointer& model, prepared ready) {
    for (job& one : ready.jobs) model->runs->submit(std::move(one));
}

}  // namespace serve
