// SPDX-License-Identifier: MIT
#include "report.hpp"

#include <algorithm>
#include <cstddef>
#include <iomanip>
#include <ostream>
#include <sstream>

namespace cli {

namespace {

std::string bar(std::size_t length) {
    std::string text;
    for (std::size_t i = 0; i < length; ++i) text += "\xe2\x96\x88";  // full block
    return text;
}

}  // namespace

void print_line(std::ostream& to, const std::string& name, const std::string& value) {
    to << "  " << std::left << std::setw(19) << name << value << '\n';
}

std::string fixed(double value, int digits) {
    std::ostringstream out;
    out << std::fixed << std::setprecision(digits) << value;
    std::string text = std::move(out).str();
    if (text.starts_with('-') && text.find_first_not_of("-0.") == std::string::npos) text.erase(0, 1);  // no -0.0
    return text;
}
std::string percent(double share) { return fixed(100.0 * share, 1) + " %"; }

json to_json(const eo::run_stats& s) {
    json by_drafter = json::object();
    for (const auto& one : s.by_drafter) {
        by_drafter[one.name] = {{"drafted", one.drafted}, {"accepted", one.accepted}};
    }
    return {{"layers", s.layers},
            {"prompt_tokens", s.prompt_tokens},
            {"cut_tokens", s.cut_tokens},
            {"reused_tokens", s.reused_tokens},
            {"new_tokens", s.new_tokens},
            {"exit_histogram", s.exit_histogram},
            {"stop_layer", s.stop_layer},
            {"predictions", s.predictions()},
            {"mean_exit_layer", s.mean_exit_layer()},
            {"layers_skipped", s.layers_skipped()},
            {"prefill", {{"layer_tokens", s.prefill.layer_tokens}, {"weight_bytes", s.prefill.weight_bytes}}},
            {"decode", {{"layer_tokens", s.decode.layer_tokens}, {"weight_bytes", s.decode.weight_bytes}}},
            {"catch_up_layer_tokens", s.catch_up_layer_tokens},
            {"gate_evaluations", s.gate_evaluations},
            {"head_evaluations", s.head_evaluations},
            {"shortlist_evaluations", s.shortlist_evaluations},
            {"draft_rounds", s.draft_rounds},
            {"drafted", s.drafted},
            {"accepted", s.accepted},
            {"by_drafter", by_drafter},
            {"decode_steps", s.decode_steps},
            {"tokens_per_step", s.tokens_per_step()},
            {"draft_seconds", s.draft_seconds},
            {"prefill_seconds", s.prefill_seconds},
            {"decode_seconds", s.decode_seconds},
            {"head_seconds", s.head_seconds},
            {"gate_seconds", s.gate_seconds},
            {"decode_tokens_per_second", s.decode_tokens_per_second()}};
}

json to_json(const eo::completion& result) {
    return {{"text", result.text},
            {"ids", result.ids},
            {"exit_layers", result.exit_layers},
            {"logprobs", result.log_probabilities},
            {"finish_reason", to_string(result.finish_reason)},
            {"stats", to_json(result.stats)}};
}

void print(std::ostream& to, const json& object) {
    to << object.dump(-1, ' ', false, json::error_handler_t::replace) << '\n';
}

void print_legend(std::ostream& to, const eo::run_stats& s, const palette& colours) {
    constexpr std::size_t widest = 40;
    const std::size_t most = s.exit_histogram.empty() ? 0 : std::ranges::max(s.exit_histogram);
    to << colours.dim("  exited after layer    tokens") << '\n';
    for (std::size_t layer = 1; layer < s.exit_histogram.size(); ++layer) {
        const std::size_t count = s.exit_histogram[layer];
        if (count == 0) continue;
        std::ostringstream row;
        row << "  " << std::right << std::setw(16) << layer << "  " << std::setw(8) << count << "  "
            << bar(std::max<std::size_t>(1, (count * widest + most / 2) / most));
        to << colours.layer(layer, row.str()) << '\n';
    }
}

void print_summary(std::ostream& to, const eo::completion& result) {
    const eo::run_stats& s = result.stats;
    const double layers = static_cast<double>(s.layers);
    print_line(to, "finish reason", to_string(result.finish_reason));
    if (s.cut_tokens != 0) {
        print_line(to, "prompt cut",
                   std::to_string(s.cut_tokens) + " tokens dropped, " + std::to_string(s.prompt_tokens) + " kept");
    }
    print_line(to, "mean exit layer", fixed(s.mean_exit_layer(), 2) + " of " + fixed(layers, 0));
    print_line(to, "layers skipped", fixed(100.0 * s.layers_skipped(), 1) + " %");
    print_line(to, "tokens/s", fixed(s.decode_tokens_per_second(), 0) + " after the first");
    if (s.draft_rounds != 0) {
        std::string by;
        for (const auto& one : s.by_drafter) {
            if (one.drafted == 0) continue;
            by += (by.empty() ? "" : ", ") + one.name + ' ' + std::to_string(one.accepted) + " of " +
                  std::to_string(one.drafted);
        }
        print_line(to, "drafts accepted", by + "; " + fixed(s.tokens_per_step(), 2) + " tokens per step");
    }
    print_line(to, "layer-tokens",
               std::to_string(s.prefill.layer_tokens) + " prompt, " + std::to_string(s.decode.layer_tokens) +
                   " decode (of which " + std::to_string(s.catch_up_layer_tokens) + " caught up)");
    print_line(to, "weight bytes read",
               megabytes(static_cast<double>(s.prefill.weight_bytes)) + " prompt, " +
                   megabytes(static_cast<double>(s.decode.weight_bytes)) + " decode");
    print_line(to, "time",
               milliseconds(s.prefill_seconds) + " prompt, " + milliseconds(s.decode_seconds) + " decode (of which " +
                   milliseconds(s.gate_seconds) + " gates)");
}

std::string milliseconds(double seconds) {
    const double ms = seconds * 1e3;
    return fixed(ms, ms < 1.0 ? 3 : ms < 100.0 ? 2 : 0) + " ms";
}

std::string microseconds(double seconds) { return fixed(seconds * 1e6, seconds < 1e-5 ? 2 : 1) + " us"; }

double median(std::vector<double> values) {
    if (values.empty()) return 0.0;
    std::ranges::sort(values);
    const std::size_t middle = values.size() / 2;
    return values.size() % 2 == 1 ? values[middle] : 0.5 * (values[middle - 1] + values[middle]);
}

}  // namespace cli
