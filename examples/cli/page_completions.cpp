// SPDX-License-Identifier: MIT
// Completions token by token, each in the colour of the layer it left at.
#include "page_parts.hpp"

#include <algorithm>
#include <span>

namespace cli::page {

namespace {

constexpr std::string_view line_end = "\u21b5";

/// White space as marks, for a token on its own.
std::string visible(std::string_view token) {
    std::string out;
    for (const char c : token) {
        if (c == '\n') {
            out += line_end;
        } else if (c == '\t') {
            out += "\u21e5";
        } else if (c == ' ') {
            out += "\u00b7";
        } else {
            out += c;
        }
    }
    return out;
}

/// The last lines of a prompt; what is cut off is an ellipsis.
std::string last_lines(const std::string& prompt, std::size_t lines, std::size_t max_bytes) {
    std::size_t at = prompt.size();
    for (std::size_t found = 0; at > 0; --at) {
        if (prompt[at - 1] == '\n' && ++found == lines) break;
    }
    at = std::max(at, prompt.size() - std::min(prompt.size(), max_bytes));
    while (at < prompt.size() && (static_cast<unsigned char>(prompt[at]) & 0xc0u) == 0x80u) ++at;
    const std::string_view cut = at == 0 ? "" : prompt[at - 1] == '\n' ? "\u2026\n" : "\u2026";
    return std::string(cut) + prompt.substr(at);
}

/// One token as markup: `says` is what full depth would have said, where that is something else.
std::string token_markup(const std::string& token, std::size_t layer, const std::string& about,
                         const std::string& says) {
    const std::string number = std::to_string(layer), style = "t l" + number;
    if (says.empty()) {
        std::string shown = escape(token);
        for (std::size_t at = 0; (at = shown.find('\n', at)) != std::string::npos; at += line_end.size() + 1) {
            shown.insert(at, line_end);
        }
        return element("span", {{"class", style}, {"title", about}, {"data-l", number}}, shown);
    }
    // What stands below is below one line, so that what follows a line end goes behind it.
    const std::size_t end = token.find('\n');
    const std::string base = escape(token.substr(0, end)) + (end == std::string::npos ? "" : std::string(line_end));
    std::string out =
        element("span", {{"class", "d"}, {"title", about}},
                element("span", {{"class", style}, {"data-l", number}}, base) + element("small", {}, escape(says)));
    if (end != std::string::npos) out += element("span", {{"class", style}}, escape(token.substr(end)));
    return out;
}

class card {
public:
    card(const evaluation_report& r, const shown_completion& shown, eo::calibrate::to_text text)
        : shown_(shown), sample_(r.samples[shown.sample]), text_(text) {}

    [[nodiscard]] std::string markup() const {
        const std::string prompt = last_lines(text_(sample_.prompt), 5, 480);
        std::string made = element("span", {{"class", "prompt"}}, escape(prompt)) + tokens();
        if (stopped()) made += element("span", {{"class", "stop"}}, "\u25a0 stop after layer " + stop_layer());
        const bool is_same = shown_.early().ids == shown_.full().ids;
        std::string beside = (is_same ? words("full depth", "the same") : row("full depth", full_depth())) +
                             row("the text", escape(text_(sample_.reference)));
        if (stopped()) beside += stop_row();
        return element("article", {},
                       element("header", {}, heading()) + element("pre", {{"class", "made"}}, made) +
                           element("dl", {{"class", "beside"}}, beside));
    }

private:
    [[nodiscard]] std::string one(eo::token_id id) const { return text_(std::span(&id, 1)); }
    [[nodiscard]] bool stopped() const { return shown_.early().finish_reason == eo::finish_reason::stopped_by_gate; }
    [[nodiscard]] std::string stop_layer() const { return std::to_string(shown_.early().stats.stop_layer); }
    [[nodiscard]] std::size_t same() const {
        const auto& ids = shown_.early().ids;
        return static_cast<std::size_t>(std::ranges::mismatch(ids, shown_.full().ids).in1 - ids.begin());
    }

    [[nodiscard]] std::string heading() const {
        const eo::completion& early = shown_.early();
        const std::string count = std::to_string(early.ids.size());
        const std::string agreement =
            same() == early.ids.size()
                ? (count == "1" ? "its one token" : "all " + count + " tokens") + " as at full depth"
                : std::to_string(same()) + " of " + count + " tokens before the texts part";
        return element("b", {}, escape(last_parts(sample_.name))) + " \u00b7 " + agreement + " \u00b7 mean layer " +
               fixed_digits(early.stats.mean_exit_layer(), 1) + " of " + std::to_string(early.stats.layers);
    }

    [[nodiscard]] std::string tokens() const {
        const eo::completion& early = shown_.early();
        std::string out;
        for (std::size_t i = 0; i < early.ids.size(); ++i) {
            const std::size_t layer = early.exit_layers[i];
            std::string about = "exited after layer " + std::to_string(layer);
            std::string says;
            if (i < shown_.answers.size()) {
                const std::vector<eo::token_id>& answers = shown_.answers[i];
                if (answers.back() != early.ids[i]) says = visible(one(answers.back()));
                for (std::size_t l = 0; l < answers.size(); ++l) {
                    about += (l + 1 == layer ? "\n\u25b8 " : "\n   ") + std::to_string(l + 1) + ": " +
                             visible(one(answers[l]));
                }
            }
            out += token_markup(one(early.ids[i]), layer, about, says);
        }
        return out;
    }

    /// Full depth's own completion, marked from where it parts.
    [[nodiscard]] std::string full_depth() const {
        const std::span<const eo::token_id> ids = shown_.full().ids;
        const std::size_t common = std::min(same(), ids.size());
        std::string out = escape(text_(ids.first(common)));
        const std::string rest = escape(text_(ids.subspan(common)));
        if (!rest.empty() && !stopped()) return out + element("span", {{"class", "apart"}}, rest);
        return out + rest;
    }

    [[nodiscard]] std::string stop_row() const {
        const std::size_t at = shown_.early().ids.size();
        if (at >= sample_.reference.size() || at >= shown_.full().ids.size()) return {};
        const auto& ids = shown_.full().ids;
        const auto wrong = static_cast<std::size_t>(std::ranges::mismatch(ids, sample_.reference).in1 - ids.begin());
        const std::string judged = wrong < at    ? "correct: full depth was wrong before"
                                   : wrong == at ? "correct: full depth's next token is wrong"
                                                 : "wrongly: full depth's next token is right";
        return words("stopped", judged);
    }

    static std::string words(std::string_view name, std::string_view said) {
        return element("dt", {}, name) + element("dd", {}, said);
    }
    static std::string row(std::string_view name, const std::string& code) {
        return element("dt", {}, name) + element("dd", {}, element("pre", {}, code.empty() ? "\u2014" : code));
    }

    const shown_completion& shown_;
    const eo::calibrate::sample& sample_;
    eo::calibrate::to_text text_;
};

std::string cards(const evaluation_report& r, const std::vector<const shown_completion*>& shown,
                  eo::calibrate::to_text text) {
    std::string out;
    for (const shown_completion* s : shown) out += card(r, *s, text).markup();
    return element("div", {{"class", "completions"}}, out);
}

std::string layer_legend(std::size_t layers) {
    std::string items;
    for (std::size_t layer = 1; layer <= layers; ++layer) {
        const std::string name = layer == 1        ? "after layer 1"
                                 : layer == layers ? std::to_string(layer) + ", full depth"
                                                   : std::to_string(layer);
        items +=
            element("li", {}, element("span", {{"class", "t l" + std::to_string(layer)}}, "\u2003") + "\u2002" + name);
    }
    return element("ul", {{"class", "legend"}}, items);
}

}  // namespace

std::string completions(const evaluation_report& r, const std::vector<shown_completion>& shown,
                        eo::calibrate::to_text text) {
    const eo::calibrate::swept_policy* const chosen = policy_to_show(r);
    std::vector<const shown_completion*> exits, stops;
    for (const shown_completion& s : shown) (s.policy == chosen ? exits : stops).push_back(&s);
    const std::string legend = layer_legend(r.observed.accuracy.layers.empty() ? 0 : r.observed.accuracy.layers.back());
    std::string out;
    if (!exits.empty()) {
        out += section("Completions by " + escape(shown_name(chosen->policy)),
                       "Each token in the colour of the layer it left at, whose number stands before it; hover for "
                       "what every layer would have said. "
                       "Below a token, after \u2260: what full depth would have said at this place instead. Then full "
                       "depth's own completion, dotted from where the two part, and what really follows. Six that "
                       "differ from full depth and six that do not, evenly spread over the samples (more of one kind "
                       "where there are fewer of the other).",
                       legend + cards(r, exits, text));
    }
    if (!stops.empty()) {
        out += section("Completions that " + escape(shown_name(stops.front()->policy->policy)) + " ended",
                       "The policy whose stops score the highest F1, and four completions it ended, evenly spread.",
                       legend + cards(r, stops, text));
    }
    return out;
}

}  // namespace cli::page
