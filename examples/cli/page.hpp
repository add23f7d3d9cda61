// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_PAGE_HPP
#define EARLYOUT_EXAMPLES_CLI_PAGE_HPP

#include "report.hpp"

#include <earlyout/calibrate/corpus.hpp>
#include <earlyout/calibrate/evaluate.hpp>
#include <earlyout/calibrate/observe.hpp>
#include <earlyout/calibrate/sweep.hpp>

#include <optional>
#include <string>
#include <vector>

namespace cli {

/// What `earlyout evaluate` found, and of what.
struct evaluation_report {
    std::string model;
    std::string weight_format;
    std::size_t threads = 1;
    std::size_t texts = 0;
    eo::calibrate::sample_options cut;
    eo::calibrate::observation observed;
    std::vector<eo::calibrate::sample> samples;
    std::vector<eo::calibrate::swept_policy> sweep;
    bool complete = true;              ///< false when it was interrupted
    std::optional<std::string> lacks;  ///< why no policy can win
    std::string command;               ///< line that was run
    std::string when;                  ///< date
    std::string machine;
};

/// A completion to show, and what every layer would have said on the way.
struct shown_completion {
    const eo::calibrate::swept_policy* policy = nullptr;
    std::size_t sample = 0;
    std::vector<std::vector<eo::token_id>> answers;  ///< [new tokens + 1][layers]; empty: not known

    [[nodiscard]] const eo::completion& early() const { return policy->measured.early.results[sample]; }
    [[nodiscard]] const eo::completion& full() const { return policy->measured.full.results[sample]; }
};

/// The policy that wins at a loss; null: only full depth does.
[[nodiscard]] const eo::calibrate::swept_policy* winner(const evaluation_report& r, double loss);

/// The policy that the page shows in detail: the best at 1.1 % loss, else the one most likely to be, else the fastest;
/// nothing without policies.
[[nodiscard]] const eo::calibrate::swept_policy* policy_to_show(const evaluation_report& r);

/// Six whose text is not full depth's and six whose text is, evenly spread over the samples; more of one kind where
/// there are fewer of the other.
[[nodiscard]] std::vector<shown_completion> completions_to_show(const evaluation_report& r);
/// Four that a gate ended, evenly spread, by the policy whose stops score the highest F1.
[[nodiscard]] std::vector<shown_completion> stops_to_show(const evaluation_report& r);

/// One page of HTML that needs nothing else; a few lines of script sort its table.
/// @param shown from completions_to_show and stops_to_show, with their answers
[[nodiscard]] std::string make_page(const evaluation_report& r, const std::vector<shown_completion>& shown,
                                    eo::calibrate::to_text text);

}  // namespace cli

#endif
