// SPDX-License-Identifier: MIT
#include "prompt_ids.hpp"

#include <algorithm>
#include <cstdint>

#include "api_error.hpp"
#include "fields.hpp"

namespace serve {

namespace {

eo::token_id id_of(const eo::text::tokenizer& words, const json& value, std::string_view name) {
    const auto number = value.get<std::int64_t>();
    const bool in_range = number >= 0 && number < static_cast<std::int64_t>(words.size());
    if (!in_range || !words.has(static_cast<eo::token_id>(number))) {
        throw wrong_field(name, "ids of tokens, 0 .. " + std::to_string(words.size() - 1), std::to_string(number));
    }
    return static_cast<eo::token_id>(number);
}

/// A mixture has an id; an array of strings alone is several prompts.
bool is_one_prompt(const json& value) {
    return !value.is_array() || std::ranges::any_of(value, [](const json& one) { return one.is_number(); });
}

}  // namespace

token_ids encode(const eo::text::tokenizer& words, std::string_view text, text_kind kind) {
    const bool special = kind == text_kind::prompt || kind == text_kind::typed;
    const bool continues = kind == text_kind::typed || kind == text_kind::plain_after;
    token_ids made = words.encode(text, {.special_tokens = special, .continues = continues});
    const auto before = words.tokens_before();
    // Templates of clients often spell the first token already.
    if (kind == text_kind::prompt &&
        !std::ranges::equal(before, token_ids(made.begin(), made.begin() + static_cast<std::ptrdiff_t>(std::min(
                                                                               made.size(), before.size()))))) {
        made.insert(made.begin(), before.begin(), before.end());
    }
    return made;
}

token_ids encode(const eo::text::tokenizer& words, const json& value, text_kind kind, std::string_view name) {
    if (value.is_string()) return encode(words, value.get_ref<const std::string&>(), kind);
    if (const auto inner = value.find("prompt_string"); value.is_object() && inner != value.end()) {
        // llama.cpp's form of a text beside images.
        if (inner->is_object()) throw wrong_field("prompt_string", "a string", described(*inner));
        if (const auto images = value.find("multimodal_data"); images != value.end() && !images->empty()) {
            throw not_supported("multimodal_data",
                                "not supported here: expected absent or empty, found " + described(*images));
        }
        return encode(words, *inner, kind, "prompt_string");
    }
    const char* const expected = "a string, or an array of ids of tokens and strings";
    if (!value.is_array()) throw wrong_field(name, expected, described(value));
    token_ids made;
    bool first = true;
    for (const json& one : value) {
        if (one.is_number_integer()) {
            made.push_back(id_of(words, one, name));
        } else if (one.is_string()) {
            const text_kind after = kind == text_kind::prompt ? text_kind::typed : text_kind::plain_after;
            const token_ids more = encode(words, one.get_ref<const std::string&>(), first ? kind : after);
            made.insert(made.end(), more.begin(), more.end());
        } else {
            throw wrong_field(name, expected, described(one) + " in the array");
        }
        first = false;
    }
    return made;
}

std::vector<token_ids> prompts_of(const eo::text::tokenizer& words, const json& value, bool& are_many) {
    are_many = !is_one_prompt(value);
    std::vector<token_ids> made;
    if (!are_many) {
        made.push_back(encode(words, value, text_kind::prompt, "prompt"));
    } else {
        constexpr std::size_t max_prompts = 64;
        if (value.empty()) throw wrong_field("prompt", "at least one prompt", "an empty array");
        if (value.size() > max_prompts) {
            throw wrong_field("prompt", "at most 64 prompts", std::to_string(value.size()));
        }
        for (const json& one : value) made.push_back(encode(words, one, text_kind::prompt, "prompt"));
    }
    return made;
}

}  // namespace serve
