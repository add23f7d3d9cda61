// SPDX-License-Identifier: MIT
#include "fim_order.hpp"

#include <earlyout/core/error.hpp>

#include <initializer_list>
#include <vector>

namespace serve {

namespace {

std::optional<eo::token_id> first_special(const eo::text::tokenizer& words,
                                          std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) {
        // A name in a vocabulary of text, such as <reponame> in HTML, controls nothing.
        if (const auto id = words.find(name); id && words.is_special(*id)) return id;
    }
    return std::nullopt;
}

std::string lacking(const eo::text::tokenizer& words) {
    const auto any = [&](std::initializer_list<std::string_view> names) {
        for (const std::string_view name : names) {
            if (words.find(name)) return true;
        }
        return false;
    };
    std::vector<std::string> names;
    if (!any({"<fim_prefix>", "<fim-prefix>", "<|fim_prefix|>", " <PRE>", "<\uff5cfim\u2581begin\uff5c>",
              "<[fim-prefix]>", "[PREFIX]"})) {
        names.emplace_back("prefix");
    }
    if (!any({"<fim_suffix>", "<fim-suffix>", "<|fim_suffix|>", " <SUF>", "<\uff5cfim\u2581hole\uff5c>",
              "<[fim-suffix]>", "[SUFFIX]"})) {
        names.emplace_back("suffix");
    }
    if (!any({"<fim_middle>", "<fim-middle>", "<|fim_middle|>", " <MID>", "<\uff5cfim\u2581end\uff5c>",
              "<[fim-middle]>", "[MIDDLE]"})) {
        names.emplace_back("middle");
    }
    std::string made;
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (i != 0) made += i + 1 == names.size() ? " and " : ", ";
        made += names[i];
    }
    return made.empty() ? "tokens of one family" : made;
}

}  // namespace

fim_order fim_order_of(std::string_view setting, const eo::text::tokenizer& words) {
    for (const fim_order order : {fim_order::prefix_first, fim_order::suffix_first, fim_order::after_middle}) {
        if (setting == to_string(order)) return order;
    }
    if (setting != "auto") {
        eo::fail(eo::errc::invalid_argument,
                 "fim_order: expected prefix-first, suffix-first, after-middle or auto, found ", setting);
    }
    const auto middle = eo::text::fill_in_the_middle::of(words);
    if (!middle) return fim_order::prefix_first;
    for (const known_order& known : known_orders) {
        if (words.find(known.token) == middle->suffix) return known.order;
    }
    return middle->suffix_first ? fim_order::suffix_first : fim_order::prefix_first;
}

std::string_view to_string(fim_order order) noexcept {
    switch (order) {
        case fim_order::prefix_first: return "prefix-first";
        case fim_order::suffix_first: return "suffix-first";
        case fim_order::after_middle: return "after-middle";
    }
    return "unknown";
}

fim_tokens fim_tokens::of(const eo::text::tokenizer& words) {
    fim_tokens made;
    made.middle = eo::text::fill_in_the_middle::of(words);
    made.repository =
        first_special(words, {"<|repo_name|>", "<|fim_repo|>", "<fim-repo>", "<repo_name>", "<reponame>", "<REPO>"});
    made.file = first_special(words, {"<|file_sep|>", "<|file_separator|>", "<file_sep>", "<filename>"});
    if (!made.middle) made.lacks = lacking(words);
    return made;
}

}  // namespace serve
