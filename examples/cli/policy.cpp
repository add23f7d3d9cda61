// SPDX-License-Identifier: MIT
#include "policy.hpp"

#include "closest.hpp"

#include <earlyout/calibrate/candidates.hpp>
#include <earlyout/calibrate/corpus.hpp>
#include <earlyout/calibrate/machine_policy.hpp>
#include <earlyout/core/error.hpp>
#include <earlyout/exit/catalogue.hpp>
#include <earlyout/generate/drafts/catalogue.hpp>
#include <earlyout/generate/drafts/suffix_store.hpp>
#include <earlyout/generate/make_session.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cli {

namespace {

using eo::errc;
using eo::fail;

/// Sets a parameter; an error names the option that gave it.
void set(eo::gate_spec& gate, std::string_view parameter, float value, const char* option) {
    const auto parameters = gate.entry().info.parameters;
    const auto found = std::ranges::find(parameters, parameter, &eo::gate_parameter::name);
    if (found == parameters.end()) {
        fail(errc::invalid_argument, option, ": expected an --exit-gate with such a threshold, found ", gate.name);
    }
    gate.values.resize(parameters.size());
    gate.values[static_cast<std::size_t>(found - parameters.begin())] = value;
    try {
        check_gate_spec(gate);
    } catch (const eo::error& e) {
        fail(errc::invalid_argument, option, ": ", e.what());
    }
}

/// The gate and what checks it: what was fitted, with what the options say in its place.
std::vector<eo::gate_spec> chain_of(const model& m, const exit_options& chosen, eo::policy_spec& policy) {
    std::vector<eo::gate_spec> chain{eo::make_gate_spec(chosen.gate)};
    const eo::gate_entry& entry = chain.front().entry();
    const bool given = chosen.threshold || chosen.stop_threshold || chosen.check_margin;
    if (entry.is_fitted() && m.has_exits()) {
        const std::optional<eo::policy_spec> fitted = fitted_policy(m.exits(), chosen.gate);
        if (fitted && policy.layers.empty()) policy.layers = fitted->layers;
        if (fitted && !fitted->gates.empty()) chain = fitted->gates.front();
        if (fitted && fitted->gates.empty() && !given) return {};  // nothing was faster: full depth
    }
    if (chosen.threshold) {
        if (entry.info.parameters.empty()) {
            fail(errc::invalid_argument, "--threshold: expected an --exit-gate that has one, found ", chosen.gate);
        }
        set(chain.front(), entry.info.parameters.front().name, *chosen.threshold, "--threshold");
    }
    if (chosen.stop_threshold) set(chain.front(), "stop", *chosen.stop_threshold, "--stop-threshold");
    if (chosen.check_margin) {
        if (!eo::calibrate::can_be_checked(entry)) {
            fail(errc::invalid_argument, "--check-margin: expected --exit-gate learn-to-exit or mlp-router, found ",
                 chosen.gate);
        }
        chain.resize(1);
        if (*chosen.check_margin > 0.0f) {
            set(chain.emplace_back(eo::make_gate_spec("margin")), "threshold", *chosen.check_margin, "--check-margin");
        }
    }
    return chain;
}

/// Returns the words that a policy may have.
std::vector<std::string> policy_words() {
    std::vector<std::string> words{"full-depth", "fitted", "head", "shortlist", "reach", "exits", "cache",  "cap",
                                   "eager",      "lazy",   "auto", "prefill",   "draft", "none",  "experts"};
    for (const char* cache : {"propagate", "omit", "defer"}) words.emplace_back(cache);
    for (const eo::head_entry& head : eo::head_catalogue()) words.emplace_back(head.name);
    for (const eo::gate_entry& gate : eo::gate_catalogue()) {
        words.emplace_back(gate.info.name);
        for (const eo::gate_parameter& parameter : gate.info.parameters) words.emplace_back(parameter.name);
    }
    for (const eo::drafter_entry& drafter : eo::drafter_catalogue()) words.emplace_back(drafter.info.name);
    return words;
}

/// Calls parse(); an error names what a mistyped word of the text may have meant.
template <class Parse>
auto with_hint(const std::string& text, Parse parse) try {
    return parse();
} catch (const eo::error& e) {
    constexpr const char* letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
    const std::vector<std::string> words = policy_words();
    for (std::size_t begin = 0; (begin = text.find_first_of(letters, begin)) != text.npos;) {
        const std::size_t end = std::min(text.find_first_not_of(letters, begin), text.size());
        const std::string word = text.substr(begin, end - begin);
        const std::string hint = did_you_mean(word, words);
        if (std::ranges::find(words, word) == words.end() && !hint.empty()) fail(e.code(), e.what(), hint);
        begin = end;
    }
    throw;
}

/// Fills in what the policy leaves out, but for the head, which it may leave to the model's exits.
eo::policy_spec with_layers(eo::policy_spec policy, const model& m) {
    std::string head = policy.head;
    policy = resolve(std::move(policy), m);
    if (head == "auto") policy.head = std::move(head);
    return policy;
}

}  // namespace

eo::policy_spec parse_policy(const std::string& text) {
    return with_hint(text, [&] { return eo::policy_spec::parse(text); });
}
eo::drafts_spec parse_drafts(const std::string& text) {
    return with_hint(text, [&] { return eo::drafts_spec::parse(text); });
}

eo::policy_spec policy_of(const model& m, const exit_options& chosen) {
    if (!chosen.policy.empty()) {
        if (!chosen.kv.empty() || chosen.defer_cap != 0 || chosen.prefill != "eager" || chosen.head != "auto") {
            fail(errc::invalid_argument,
                 "--policy: expected no --kv, --defer-cap, --prefill or --exit-head beside it: the policy names them");
        }
        return parse_policy(chosen.policy);
    }
    const std::string kv = chosen.kv.empty() ? "propagate" : chosen.kv;
    if (chosen.prefill == "lazy" && kv != "defer") {
        fail(errc::invalid_argument, "--prefill lazy: expected --kv defer, found --kv ", kv);
    }
    if (chosen.defer_cap != 0 && kv != "defer") {
        fail(errc::invalid_argument, "--defer-cap: expected --kv defer, found --kv ", kv);
    }
    eo::policy_spec policy;
    policy.cache = kv;
    policy.cap = chosen.defer_cap;
    policy.prefill = chosen.prefill == "lazy" ? eo::prefill::lazy : eo::prefill::eager;
    if (chosen.gate.empty() || chosen.gate == "none") {
        if (chosen.token_budget != 0 || chosen.time_budget > 0.0) {
            fail(errc::invalid_argument,
                 "--token-budget, --time-budget: expected an --exit-gate with exits that can act on it, found none");
        }
        return policy;
    }
    policy.layers = chosen.layers;
    policy.head = chosen.head;
    if (chosen.shortlist != 0) {
        policy.shortlist = {chosen.shortlist, chosen.shortlist_reach == "full-depth" ? eo::shortlist_reach::full_depth
                                                                                     : eo::shortlist_reach::exits};
        if (chosen.shortlist < 2) fail(errc::invalid_argument, "--shortlist: expected at least 2 tokens, found 1");
    }
    auto chain = chain_of(m, chosen, policy);
    if (chain.empty()) return policy;
    const float then = chosen.over_budget == "exit" ? 1.0f : 0.0f;
    if (chosen.token_budget != 0) {
        policy.gates.push_back({eo::make_gate_spec("token-budget", {static_cast<float>(chosen.token_budget), then})});
    }
    if (chosen.time_budget > 0.0) {
        policy.gates.push_back({eo::make_gate_spec("time-budget", {static_cast<float>(chosen.time_budget), then})});
    }
    policy.gates.push_back(std::move(chain));
    return policy;
}

chosen_policy choose_policy(const model& m, const exit_options& chosen, const draft_options& drafts,
                            const run_options& run) {
    eo::policy_spec named = policy_of(m, chosen);
    if (!drafts.drafts.empty()) {
        if (!named.drafts.is_none()) {
            fail(errc::invalid_argument, "--draft: expected no drafts in --policy beside it, found ",
                 to_string(named.drafts));
        }
        named.drafts = parse_drafts(drafts.drafts);
    } else if (named.is_full_depth() && named.drafts.is_none() && chosen.policy.find("draft") == std::string::npos) {
        named.drafts.is_auto = true;
    }
    if (chosen.max_loss && (!chosen.policy.empty() || !chosen.gate.empty() || !drafts.drafts.empty())) {
        fail(
            errc::invalid_argument,
            "--max-loss: expected no --policy, --exit-gate or --draft beside it: it chooses among the policies of fit");
    }
    // Without a gate this is full depth, and checks the options of the cache.
    eo::policy_spec policy = with_layers(std::move(named), m);
    if (chosen.exact || !chosen.policy.empty() || !chosen.gate.empty() || !drafts.drafts.empty()) {
        return {policy, "options", {}};
    }
    const eo::exit_weights* exits = nullptr;
    try {
        exits = &m.exits();
    } catch (const eo::error& e) {
        if (e.code() == errc::no_such_file) return {policy, "default", {}};
        const std::string_view why = e.what();  // "FILE: fitted with ..."
        const std::size_t file = why.find(": ");
        return {policy, "default", std::string(file == why.npos ? why : why.substr(file + 2))};
    }
    const auto here =
        eo::calibrate::choose_for_machine(m, {.session = session_options_of(run), .max_block = 4}, chosen.max_loss);
    if (!here && chosen.max_loss) {
        fail(errc::wrong_value, exits->source(),
             ": --max-loss: expected exits that were stored with a front, found none; fit them again");
    }
    const std::optional<eo::policy_spec> fitted = here ? here->policy : fitted_policy(*exits);
    if (!fitted) return {policy, "default", "fitted without a policy; fit them again"};
    const std::string from = here && here->is_measured ? "machine" : "fit";
    if (fitted->is_full_depth()) return {policy, from, {}};
    policy = *fitted;
    if (chosen.head != "auto") policy.head = chosen.head;
    if (!chosen.kv.empty()) {
        policy.cache = chosen.kv;
        policy.cap = chosen.defer_cap;
        policy.prefill = chosen.prefill == "lazy" ? eo::prefill::lazy : eo::prefill::eager;
    }
    return {with_layers(std::move(policy), m), from, {}};
}

eo::draft_sources sources_of(const model& m, const draft_options& drafts) {
    if (drafts.from.empty()) return {};
    const auto texts = eo::calibrate::read_corpus(
        m, {drafts.from.begin(), drafts.from.end()},
        {.suffixes = {".py", ".pyi", ".c", ".h", ".cc", ".cpp", ".hpp", ".rs", ".go", ".js", ".ts", ".java", ".md"},
         .max_tokens = std::size_t{1} << 20,
         .max_tokens_per_text = std::size_t{1} << 18});
    eo::suffix_store_options options{.max_sequences = texts.size(), .vocab = m.network().shape().vocab};
    options.max_tokens = 0;
    for (const auto& text : texts) options.max_tokens += text.ids.size();
    const auto store = std::make_shared<eo::suffix_store>(options);
    for (const auto& text : texts) store->add(text.ids);
    return {store};
}

eo::session_options session_options_of(const run_options& run) {
    return {.capacity = run.capacity,
            .threads = run.threads,
            .prefill_threads = run.prefill_threads,
            .kv = eo::any_kv_format(run.kv_dtype)};
}

eo::any_session make_session(const model& m, const exit_options& chosen, const run_options& run) {
    return eo::make_session(m, policy_of(m, chosen), session_options_of(run));
}

}  // namespace cli
