// SPDX-License-Identifier: MIT
#include <earlyout/text/control_names.hpp>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/catch.hpp"

namespace text = earlyout::text;
using earlyout::token_id;

namespace {

std::vector<token_id> ends_of(const std::map<std::string_view, token_id>& known, std::vector<token_id> given = {}) {
    text::add_ends_by_name(given, [&](std::string_view name) -> std::optional<token_id> {
        const auto found = known.find(name);
        return found == known.end() ? std::nullopt : std::optional(found->second);
    });
    return given;
}

}  // namespace

TEST_CASE("control tokens are recognised by their names", "[text][control names]") {
    CHECK(text::is_control_name("<|im_end|>"));
    CHECK(text::is_end_name("</s>"));
    CHECK_FALSE(text::is_control_name("</s>"));  // text of HTML
    CHECK(text::is_middle_name("<|fim_middle|>"));
    CHECK(text::is_added_control_name("<|fim_middle|>"));
    CHECK_FALSE(text::is_control_name("word"));
}

TEST_CASE("tokens that end a text are found by their names, once", "[text][control names]") {
    CHECK(ends_of({{"<|im_end|>", 5}, {"word", 6}}) == std::vector<token_id>{5});
    CHECK(ends_of({{"<|im_end|>", 5}}, {5}) == std::vector<token_id>{5});
    CHECK(ends_of({{"<|end|>", 7}}) == std::vector<token_id>{7});
    // Ends a message only, with tool calls or tool responses.
    CHECK(ends_of({{"<|end|>", 7}, {"<|return|>", 8}, {"<|call|>", 9}}) == std::vector<token_id>{8, 9});
    CHECK(ends_of({{"</s>", 2}, {"<|tool_response>", 3}}) == std::vector<token_id>{3});
}
