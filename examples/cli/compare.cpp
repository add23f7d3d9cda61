// SPDX-License-Identifier: MIT
#include "compare.hpp"

#include <earlyout/generate/make_session.hpp>

#include <algorithm>
#include <iomanip>
#include <ostream>

namespace cli {

namespace {

/// A session of its own for each run, so that none finds the prompt already computed.
void measure(comparison::side& into, const model& m, const eo::policy_spec& policy, const run_options& run,
             std::string_view prompt, const eo::generate_options& options) {
    into.result = eo::make_session(m, policy, session_options_of(run)).complete(prompt, options);
    const eo::run_stats& s = into.result.stats;
    const std::size_t steps = std::max<std::size_t>(s.predictions(), 2) - 1;
    into.seconds_per_token.push_back(s.decode_seconds / static_cast<double>(steps));
    into.seconds.push_back(s.prefill_seconds + s.decode_seconds);
}

json side_to_json(const comparison::side& s) {
    return {{"seconds_per_token", median(s.seconds_per_token)},
            {"seconds", median(s.seconds)},
            {"new_tokens", s.result.ids.size()},
            {"text", s.result.text},
            {"samples", {{"seconds_per_token", s.seconds_per_token}, {"seconds", s.seconds}}}};
}

void print_side(std::ostream& to, const char* name, const comparison::side& s) {
    to << "  " << std::left << std::setw(19) << name << milliseconds(median(s.seconds_per_token)) << " per token, "
       << milliseconds(median(s.seconds)) << " for prompt and " << s.result.ids.size() << " tokens\n";
}

}  // namespace

std::size_t comparison::common_tokens() const {
    const auto& ids = early_exit.result.ids;
    return static_cast<std::size_t>(std::ranges::mismatch(ids, full_depth.result.ids).in1 - ids.begin());
}

double comparison::speedup() const {
    const double early = median(early_exit.seconds_per_token);
    return early > 0.0 ? median(full_depth.seconds_per_token) / early : 0.0;
}

comparison compare(const model& m, const eo::policy_spec& policy, const run_options& run, std::string_view prompt,
                   const eo::generate_options& options, std::size_t rounds) {
    comparison c;
    for (std::size_t round = 0; round < rounds && !options.cancel.stop_requested(); ++round) {
        measure(c.early_exit, m, policy, run, prompt, options);
        measure(c.full_depth, m, eo::policy_spec{}, run, prompt, options);
    }
    return c;
}

json to_json(const comparison& c) {
    return {{"rounds", c.full_depth.seconds.size()},
            {"early_exit", side_to_json(c.early_exit)},
            {"full_depth", side_to_json(c.full_depth)},
            {"speedup", c.speedup()},
            {"same_text", c.early_exit.result.text == c.full_depth.result.text},
            {"common_tokens", c.common_tokens()}};
}

void print(std::ostream& to, const comparison& c) {
    to << "\n  measured " << c.full_depth.seconds.size() << " times in turns, medians:\n";
    print_side(to, "this policy", c.early_exit);
    print_side(to, "full depth", c.full_depth);
    const std::size_t full = c.full_depth.result.ids.size();
    const std::size_t common = c.common_tokens();
    to << "  " << std::left << std::setw(19) << "ratio" << std::fixed << std::setprecision(2) << c.speedup()
       << " x the tokens per second of full depth\n  " << std::setw(19) << "texts";
    if (c.early_exit.result.text == c.full_depth.result.text) {
        to << "the same as at full depth\n";
    } else {
        to << "the first " << common << " of " << full << " tokens are those of full depth\n";
    }
}

}  // namespace cli
