// SPDX-License-Identifier: MIT
#include <earlyout/text/detail/joints.hpp>

#include "support/catch.hpp"

#include <cstdint>
#include <vector>

namespace {

namespace detail = earlyout::text::detail;
using detail::merge_joints;
using detail::merge_rule;
using earlyout::token_id;

/// @param symbols by character, so without bytes
merge_joints joints_of(const std::vector<merge_rule>& rules, std::size_t count) {
    detail::symbol_table symbols;
    symbols.by_character = true;
    return merge_joints(rules, count, symbols);
}

}  // namespace

TEST_CASE("symbols join if some merge joins their ends", "[tokenizer_joints]") {
    // a b c d = 0 1 2 3; ab = 4, abc = 5, da = 6
    const merge_joints joints = joints_of({{0, 1, 0, 4}, {4, 2, 1, 5}, {3, 0, 2, 6}}, 7);
    CHECK(joints.may_join(0, 1));
    CHECK(joints.may_join(1, 2));
    CHECK(joints.may_join(3, 0));
    CHECK_FALSE(joints.may_join(1, 0));
    CHECK_FALSE(joints.may_join(2, 3));
    CHECK_FALSE(joints.may_join(0, 2));
    CHECK(merge_joints().may_join(0, 2));  // nothing is known
}

TEST_CASE("with contradicting rules nothing is cut", "[tokenizer_joints]") {
    const merge_joints joints = joints_of({{0, 1, 0, 4}, {2, 1, 1, 4}}, 5);
    CHECK(joints.may_join(3, 3));
    detail::symbol_table symbols;
    symbols.unknown = 4;  // which merging makes too
    CHECK(merge_joints(std::vector<merge_rule>{{0, 1, 0, 4}}, 5, symbols).may_join(3, 3));
}

TEST_CASE("pairs of a large vocabulary do not collide", "[tokenizer_joints]") {
    std::vector<merge_rule> rules;
    constexpr token_id symbols = 600;
    token_id next = symbols;
    for (token_id left = 0; left < symbols; ++left) {
        for (const token_id right : {token_id{7}, (left * 7 + 1) % symbols}) {
            rules.push_back({left, right, static_cast<std::uint32_t>(rules.size()), next++});
        }
    }
    const merge_joints joints = joints_of(rules, static_cast<std::size_t>(next));
    std::size_t joined = 0;
    for (token_id left = 0; left < symbols; ++left) {
        CHECK(joints.may_join(left, 7));
        for (token_id right = 0; right < symbols; ++right) joined += joints.may_join(left, right) ? 1 : 0;
    }
    CHECK(joined <= rules.size());
}
