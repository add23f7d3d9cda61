// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DETAIL_POLICY_PARSER_HPP
#define EARLYOUT_GENERATE_DETAIL_POLICY_PARSER_HPP

#include <earlyout/core/number_text.hpp>
#include <earlyout/generate/detail/policy_text.hpp>
#include <earlyout/generate/policy_spec.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

namespace detail {

/// Parses a policy's text from left to right.
class policy_parser {
public:
    /// @param what "policy" or "drafts", for messages
    explicit policy_parser(std::string_view text, std::string_view what = "policy") : text_(text), what_(what) {}

    [[nodiscard]] policy_spec parse() {
        policy_spec made;
        const std::size_t begin = at_;
        const std::string_view first = word();
        if (first == "fitted") {
            made.is_fitted = true;
        } else if (first != "full-depth") {
            at_ = begin;
            do {
                auto& chain = made.gates.emplace_back();
                do chain.push_back(gate());
                while (take('&'));
            } while (take('|'));
            if (take('@')) made.layers = layers();
        }
        std::vector<std::string> seen;
        while (take(';')) {
            const std::string name(word());
            if (std::ranges::find(seen, name) != seen.end()) refuse("each setting once", name + " again");
            seen.push_back(name);
            if (name != "head" && name != "cache" && name != "draft" && name != "experts") {
                refuse("head=..., cache=..., draft=... or experts=...", name);
            }
            expect('=');
            if (name == "head") head(made);
            if (name == "cache") cache(made);
            if (name == "draft") made.drafts = drafts();
            if (name == "experts") made.active_experts = whole(1);
        }
        end();
        return made;
    }
    [[nodiscard]] drafts_spec parse_drafts() {
        drafts_spec made = drafts();
        end();
        return made;
    }

private:
    [[noreturn]] void refuse(const std::string& expected, const std::string& found) const {
        fail(errc::invalid_argument, what_, " '", printable(text_), "': expected ", expected, ", found ",
             found.empty() ? std::string("nothing") : "'" + printable(found) + "'");
    }

    void skip_spaces() noexcept {
        while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
    }
    [[nodiscard]] bool take(char c) noexcept {
        skip_spaces();
        if (at_ == text_.size() || text_[at_] != c) return false;
        ++at_;
        return true;
    }
    void expect(char c) {
        if (!take(c)) refuse(std::string("'") + c + "'", std::string(text_.substr(at_, 1)));
    }
    /// Returns a name or a number: everything up to the next delimiter of the grammar.
    [[nodiscard]] std::string_view word() noexcept {
        skip_spaces();
        const std::size_t end = std::min(text_.find_first_of(" \t&|@;,()=", at_), text_.size());
        const std::string_view found = text_.substr(at_, end - at_);
        at_ = end;
        return found;
    }

    [[nodiscard]] std::size_t whole(std::size_t min) {
        const std::string_view digits = word();
        std::size_t value = 0;
        const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (problem != std::errc{} || end != digits.data() + digits.size() || value < min) {
            refuse("a whole number from " + std::to_string(min), std::string(digits));
        }
        return value;
    }

    void end() {
        skip_spaces();
        if (at_ != text_.size()) refuse("the end", std::string(text_.substr(at_)));
    }

    [[nodiscard]] gate_spec gate() {
        const std::string name(word());
        const gate_entry* const entry = find_gate(name);
        if (entry == nullptr) {
            refuse("a gate (" + names_of(gate_catalogue(), [](const auto& e) { return e.info.name; }) + ")", name);
        }
        return {.name = name, .values = arguments(name, entry->info.parameters)};
    }
    [[nodiscard]] drafts_spec drafts() {
        drafts_spec made;
        do {
            const std::string name(word());
            const bool is_only = made.drafters.empty();
            if (is_only && name == "none") return made;
            if (is_only && name == "auto") return {.is_auto = true, .drafters = {}};
            const drafter_entry* const entry = find_drafter(name);
            if (entry == nullptr) {
                refuse(std::string("a drafter (") + (is_only ? "none, auto, " : "") +
                           names_of(drafter_catalogue(), [](const auto& e) { return e.info.name; }) + ")",
                       name);
            }
            if (std::ranges::find(made.drafters, name, &drafter_spec::name) != made.drafters.end()) {
                refuse("each drafter once", name + " again");
            }
            made.drafters.push_back({.name = name, .values = arguments(name, entry->info.parameters)});
        } while (take('|'));
        return made;
    }

    /// Parses what follows the name of a gate or drafter.
    [[nodiscard]] std::vector<std::optional<float>> arguments(const std::string& of,
                                                              std::span<const gate_parameter> parameters) {
        std::vector<std::optional<float>> values(parameters.size());
        if (!take('(')) return values;
        std::size_t next = 0;
        do {
            std::string_view given = word();
            std::size_t index = next++;
            if (take('=')) {
                const auto named = std::ranges::find(parameters, given, &gate_parameter::name);
                if (named == parameters.end()) {
                    refuse("a parameter of " + of + " (" + names_of(parameters, [](const auto& p) { return p.name; }) +
                               ")",
                           std::string(given));
                }
                index = static_cast<std::size_t>(named - parameters.begin());
                given = word();
            }
            if (index >= parameters.size()) {
                refuse("at most " + std::to_string(parameters.size()) + " parameters of " + of, std::string(given));
            }
            if (values[index]) refuse("each parameter once", std::string(parameters[index].name) + " again");
            values[index] = value(of, parameters[index], given);
        } while (take(','));
        expect(')');
        return values;
    }

    [[nodiscard]] float value(const std::string& gate, const gate_parameter& p, std::string_view given) const {
        const auto wrong = [&](const std::string& expected, const std::string& found) {
            refuse(gate + ": " + std::string(p.name) + ": " + expected, found);
        };
        if (!p.words.empty()) {
            const auto found = std::ranges::find(p.words, given);
            if (found == p.words.end()) wrong(names_of(p.words, [](auto w) { return w; }), std::string(given));
            return static_cast<float>(found - p.words.begin());
        }
        const std::optional<float> made = number_in(given);
        if (!made) wrong("a number", std::string(given));
        check_value(p, *made, std::string(given), wrong);
        return *made;
    }

    [[nodiscard]] std::vector<std::size_t> layers() {
        std::vector<std::size_t> made;
        do {
            const std::string given(word());
            const char* const end = given.data() + given.size();
            std::size_t first = 0;
            auto [next, problem] = std::from_chars(given.data(), end, first);
            std::size_t last = first;
            if (problem == std::errc{} && next != end && *next == '-') {
                std::tie(next, problem) = [&] {
                    const auto read = std::from_chars(next + 1, end, last);
                    return std::pair(read.ptr, read.ec);
                }();
            }
            constexpr std::size_t max_layer = 100'000;  // more than any model has
            if (problem != std::errc{} || next != end || first == 0 || last < first || last > max_layer) {
                refuse("layers from 1, as in 2,4-6", given);
            }
            for (std::size_t layer = first; layer <= last; ++layer) made.push_back(layer);
        } while (take(','));
        std::ranges::sort(made);
        if (const auto twice = std::ranges::adjacent_find(made); twice != made.end()) {
            refuse("each layer once", std::to_string(*twice) + " again");
        }
        return made;
    }

    void head(policy_spec& into) {
        const auto known = [&](std::string name) {
            if (name != "auto" && find_head(name) == nullptr) {
                refuse("a head (auto, " + names_of(head_catalogue(), [](const auto& e) { return e.name; }) +
                           ", shortlist(N))",
                       name);
            }
            return name;
        };
        const std::string name(word());
        if (name != "shortlist") {
            into.head = known(name);
            return;
        }
        expect('(');
        into.shortlist.tokens = whole(2);
        while (take(',')) {
            const std::string_view setting = word();
            expect('=');
            if (setting == "head") {
                into.head = known(std::string(word()));
            } else if (setting == "reach") {
                const std::string_view reach = word();
                if (reach != "exits" && reach != "full-depth") refuse("exits or full-depth", std::string(reach));
                into.shortlist.reach = reach == "exits" ? shortlist_reach::exits : shortlist_reach::full_depth;
            } else {
                refuse("head=... or reach=...", std::string(setting));
            }
        }
        expect(')');
    }

    void cache(policy_spec& into) {
        into.cache = word();
        if (into.cache != "propagate" && into.cache != "defer" && into.cache != "omit") {
            refuse("propagate, defer or omit", into.cache);
        }
        if (into.cache != "defer" || !take('(')) return;
        do {
            const std::string_view setting = word();
            expect('=');
            if (setting == "cap") {
                into.cap = whole(1);
            } else if (setting == "prefill") {
                const std::string_view order = word();
                if (order != "eager" && order != "lazy") refuse("eager or lazy", std::string(order));
                into.prefill = order == "lazy" ? prefill::lazy : prefill::eager;
            } else {
                refuse("cap=... or prefill=...", std::string(setting));
            }
        } while (take(','));
        expect(')');
    }

    std::string_view text_;
    std::string_view what_;
    std::size_t at_ = 0;
};

}  // namespace detail

inline policy_spec policy_spec::parse(std::string_view text) { return detail::policy_parser(text).parse(); }
inline drafts_spec drafts_spec::parse(std::string_view text) {
    return detail::policy_parser(text, "drafts").parse_drafts();
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
