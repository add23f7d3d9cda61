// SPDX-License-Identifier: MIT
// Editing traces: files before and after an edit, as collect.py writes them.
#ifndef EARLYOUT_BENCHMARKS_EDITS_TRACES_HPP
#define EARLYOUT_BENCHMARKS_EDITS_TRACES_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/generate/model.hpp>
#include <earlyout/text/json.hpp>

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace edits {

namespace eo = earlyout;

/// Max tokens of a prompt and its target; the rest of a target is not measured.
inline constexpr std::size_t max_tokens = 16384;

struct trace {
    std::string kind;
    std::vector<eo::token_id> ids;  // the prompt, then the target
    std::size_t prompt = 0;
};

/// Returns a member of a trace.
inline std::string text_of(const eo::text::json& object, const char* key, const std::string& source) {
    if (!object.is_object() || !object.contains(key) || !object[key].is_string()) {
        eo::fail(eo::errc::malformed_file, source, ": '", key, "': expected a string, found none");
    }
    return object[key].get<std::string>();
}

/// Returns the text that a model would be given: what to do, and the file to edit.
inline std::string prompt_of(const std::string& path, const std::string& change, const std::string& before) {
    if (before.empty()) return "# The file " + path + ":\n";
    return "# Task: " + change + "\n# The file " + path + " before:\n" + before + "\n# The file after:\n";
}

/// Reads traces and tokenizes them.
/// @throws earlyout::error naming file and line
template <class Model>
std::vector<trace> read_traces(const char* path, const Model& model) {
    std::ifstream file(path);
    if (!file) eo::fail(eo::errc::no_such_file, path, ": cannot be read");
    std::vector<trace> traces;
    std::string line;
    for (std::size_t number = 1; std::getline(file, line); ++number) {
        const std::string source = std::string(path) + ": line " + std::to_string(number);
        const eo::text::json object = eo::text::parse_json(line, source);
        const auto field = [&](const char* key) { return text_of(object, key, source); };
        trace made{.kind = field("kind"),
                   .ids = eo::encode_prompt(model, prompt_of(field("path"), field("change"), field("before")), true)};
        made.prompt = made.ids.size();
        const auto target = eo::encode_text(model.tokenizer(), field("after"), true);
        made.ids.insert(made.ids.end(), target.begin(), target.end());
        if (made.prompt == 0 || made.prompt >= std::min(made.ids.size(), max_tokens)) {
            eo::fail(eo::errc::unsupported, source, ": expected a prompt of 1 to ", max_tokens - 1,
                     " tokens and a target, found ", made.prompt, " and ", target.size());
        }
        made.ids.resize(std::min(made.ids.size(), max_tokens));
        traces.push_back(std::move(made));
    }
    if (traces.empty()) eo::fail(eo::errc::malformed_file, path, ": expected at least one trace, found none");
    return traces;
}

inline void shuffle(std::span<eo::token_id> ids, std::mt19937_64& random) {
    for (std::size_t i = ids.size(); i > 1; --i) std::swap(ids[i - 1], ids[random() % i]);
}

/// Returns the traces by kind, in the order in which the kinds first occur, and "shuffled".
inline std::vector<std::vector<trace>> by_kind(std::vector<trace> traces) {
    std::vector<std::vector<trace>> kinds;
    std::vector<trace> shuffled;
    std::mt19937_64 random(1);
    for (trace& t : traces) {
        if (t.kind == "patch" || t.kind == "release") {
            trace made = t;
            made.kind = "shuffled";
            shuffle(std::span(made.ids).first(made.prompt), random);
            shuffle(std::span(made.ids).subspan(made.prompt), random);
            shuffled.push_back(std::move(made));
        }
        const auto at = std::ranges::find_if(kinds, [&](const auto& k) { return k.front().kind == t.kind; });
        if (at != kinds.end()) {
            at->push_back(std::move(t));
        } else {
            kinds.emplace_back().push_back(std::move(t));
        }
    }
    if (!shuffled.empty()) kinds.push_back(std::move(shuffled));
    return kinds;
}

}  // namespace edits

#endif
