// SPDX-License-Identifier: MIT
#include <earlyout/generate/drafts/suffix_tree.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "generate/drafts/suffix_reference.hpp"
#include "support/catch.hpp"
#include "support/counted_allocations.hpp"
#include "support/errors.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
using support::error_of;
using support::suffix_reference;
using support::thrown;
using support::token_string;
using tree_content = eo::detail::suffix_tree_inspector;

namespace {

void append_all(eo::suffix_tree& tree, std::span<const eo::token_id> ids) {
    for (const eo::token_id id : ids) REQUIRE(tree.append(id));
}

constexpr eo::suffix_draft_options shares{.factor = 2.0f, .unseen = 0.0f};

eo::draft propose_from(const eo::suffix_tree& tree, const eo::suffix_draft_options& options = shares,
                       std::size_t limit = eo::draft::max_size) {
    eo::draft made(limit);
    tree.propose(tree.matches(), options, made);
    return made;
}

token_string ids_of(const eo::draft& d) { return {d.ids().begin(), d.ids().end()}; }
std::vector<float> probabilities_of(const eo::draft& d) { return {d.probabilities().begin(), d.probabilities().end()}; }

/// The draft is the reference's for its match, and no other match has a better one.
void check_proposal(const eo::suffix_tree& tree, const eo::suffix_matches& matches, const suffix_reference& reference,
                    const token_string& context, bool is_open, const eo::suffix_draft_options& options,
                    std::size_t limit) {
    const auto all = reference.count();
    const std::size_t longest = reference.matches(all, context, is_open);
    CHECK(matches.size() == longest);
    eo::draft found(limit);
    tree.propose(matches, options, found);
    float best = 0.0f;
    for (std::size_t m = 1; m <= longest; ++m) {
        best = std::max(best, reference.draft_by(all, context, m, options, limit).expected);
    }
    CHECK(found.expected_accepted() == Approx(best).margin(1e-5));
    if (found.empty()) return;
    REQUIRE(found.match() <= longest);
    const auto expected = reference.draft_by(all, context, found.match(), options, limit);
    CHECK(ids_of(found) == expected.ids);
    CHECK(probabilities_of(found) == expected.probabilities);
}

/// Appends, pops, finishes and removes at random; compares with counts of all substrings after each.
void check_random_operations(std::uint32_t seed, std::size_t depth, std::size_t vocab, std::size_t operations) {
    CAPTURE(seed, depth, vocab);
    constexpr std::size_t max_tokens = 50;
    support::random_source random(seed);
    eo::suffix_tree tree(max_tokens, depth, 4);
    suffix_reference reference(depth);
    std::vector<std::string> before{tree_content{tree}.content()};  // by the open sequence's size
    std::string wrong;
    for (std::size_t i = 0; i < operations && wrong.empty(); ++i) {
        const std::size_t choice = random.index(100);
        if (choice < 60) {
            // Half the time what followed a random earlier place: long repetitions.
            auto token = static_cast<eo::token_id>(random.index(vocab));
            if (reference.open.size() > 4 && random.index(4) != 0) token = reference.open[reference.open.size() - 3];
            if (tree.append(token)) {
                reference.append(token);
                before.push_back(tree_content{tree}.content());
            } else {
                CHECK(tree.size() == max_tokens);
            }
        } else if (choice < 90 || depth == 1) {
            for (std::size_t n = random.index(5); n > 0 && !reference.open.empty(); --n) {
                tree.pop_back();
                reference.pop_back();
                before.pop_back();
                CHECK(tree_content{tree}.content() == before.back());
            }
        } else if (choice < 95) {
            const bool can = !reference.open.empty() && reference.finished.size() < 4;
            CHECK(tree.finish() == can);
            if (can) reference.finish();
            if (can) before.assign(1, tree_content{tree}.content());
        } else {
            const bool can = reference.open.empty() && !reference.finished.empty();
            CHECK(tree.remove_oldest() == can);
            if (can) reference.remove_oldest();
            if (can) before.assign(1, tree_content{tree}.content());
        }
        wrong = tree_content{tree}.compare(reference, depth);
        CHECK(wrong.empty());
        if (!wrong.empty()) WARN(wrong);
        eo::suffix_draft_options options{.min_probability = random.real(0.05f, 0.6f),
                                         .factor = random.real(0.0f, 3.0f),
                                         .offset = random.real(0.0f, 3.0f),
                                         .unseen = 0.0f};
        check_proposal(tree, tree.matches(), reference, reference.open, true, options, 1 + random.index(8));
        // Another sequence's last tokens in this tree. How often an edge is followed is exact without an open sequence.
        if (reference.open.empty()) options.unseen = random.real(0.0f, 4.0f);
        token_string other = random.tokens(6, vocab);
        if (!reference.open.empty()) {
            other.insert(other.end(), reference.open.begin() + static_cast<std::ptrdiff_t>(reference.open.size() / 2),
                         reference.open.end());
        }
        eo::suffix_matches matches;
        for (const eo::token_id id : other) tree.advance(matches, id);
        check_proposal(tree, matches, reference, other, false, options, 1 + random.index(8));
    }
    while (!reference.open.empty()) {
        tree.pop_back();
        reference.pop_back();
    }
    while (tree.remove_oldest()) {
    }
    CHECK(tree.size() == 0);
    CHECK(tree.nodes_in_use() == 0);
}

}  // namespace

TEST_CASE("a suffix tree drafts what followed the last tokens", "[generate][suffix_tree]") {
    eo::suffix_tree tree(100);
    CHECK(propose_from(tree).empty());
    append_all(tree, std::vector<eo::token_id>{1, 2, 3, 4, 5, 9, 1, 2});
    CHECK(tree.matches().size() == 2);
    const eo::draft made = propose_from(tree);
    CHECK(ids_of(made) == token_string{3, 4, 5, 9});  // factor 2: four tokens by two
    CHECK(made.match() == 2);
    CHECK(probabilities_of(made) == std::vector<float>(4, 1.0f));
    CHECK(ids_of(propose_from(tree, {.factor = 1.0f, .offset = 1.5f, .unseen = 0.0f})) == token_string{3, 4, 5});
    CHECK(ids_of(propose_from(tree, shares, 2)) == token_string{3, 4});
    CHECK(propose_from(tree, shares, 0).empty());
    tree.append(7);
    CHECK(tree.matches().size() == 0);
    CHECK(propose_from(tree).empty());
}

TEST_CASE("a suffix tree's probabilities are shares of the continuations", "[generate][suffix_tree]") {
    eo::suffix_tree tree(100);
    append_all(tree, std::vector<eo::token_id>{1, 5, 1, 6, 1, 5, 1, 5, 2, 1});
    // 1 was followed by 5 three times of four; its own last occurrence has no continuation. 1 5 then by 1 twice of
    // three.
    const eo::draft made = propose_from(tree, {.factor = 0.0f, .offset = 2.0f, .unseen = 0.0f});
    CHECK(ids_of(made) == token_string{5, 1});
    CHECK(made.probabilities()[0] == 3.0f / 4.0f);
    CHECK(made.probabilities()[1] == 2.0f / 3.0f);
    CHECK(ids_of(propose_from(tree, {.min_probability = 0.6f, .factor = 0.0f, .offset = 2.0f, .unseen = 0.0f})) ==
          token_string{5});
    CHECK(propose_from(tree, {.min_probability = 0.8f, .factor = 0.0f, .offset = 2.0f, .unseen = 0.0f}).empty());
}

TEST_CASE("a suffix tree's probabilities leave room for what was not seen", "[generate][suffix_tree]") {
    eo::suffix_tree tree(100);
    append_all(tree, std::vector<eo::token_id>{1, 2, 3, 8, 1, 2, 3, 9, 1, 2});
    // Twice 3 after two tokens, then 8 and 9 after three, 1 after 9 after four.
    const eo::draft made = propose_from(tree, {.min_probability = 0.0f, .factor = 1.5f, .unseen = 2.0f});
    CHECK(ids_of(made) == token_string{3, 9, 1});
    CHECK(made.probabilities()[0] == Approx(2.0f / (2.0f + 2.0f / 3.5f)));
    CHECK(made.probabilities()[1] == Approx(1.0f / (2.0f + 2.0f / 4.5f)));
    CHECK(made.probabilities()[2] == Approx(1.0f / (1.0f + 2.0f / 5.5f)));
}

TEST_CASE("of equally frequent continuations the newest is drafted", "[generate][suffix_tree]") {
    eo::suffix_tree tree(100);
    append_all(tree, std::vector<eo::token_id>{1, 5, 1, 6, 1});
    CHECK(ids_of(propose_from(tree, {.factor = 1.0f, .unseen = 0.0f})) == token_string{6});
    tree.pop_back();
    tree.pop_back();
    append_all(tree, std::vector<eo::token_id>{7, 1});
    CHECK(ids_of(propose_from(tree, {.factor = 1.0f, .unseen = 0.0f})) == token_string{7});
}

TEST_CASE("a suffix tree equals counts of all substrings", "[generate][suffix_tree]") {
    for (const std::size_t depth : {1u, 2u, 3u, 5u, 8u, 64u}) {
        for (const std::size_t vocab : {1u, 2u, 3u, 8u}) {
            check_random_operations(static_cast<std::uint32_t>(depth * 100 + vocab), depth, vocab, 300);
        }
    }
}

TEST_CASE("a suffix tree has its memory back when tokens are popped or sequences removed", "[generate][suffix_tree]") {
    support::random_source random(3);
    constexpr std::size_t count = 10'000;
    eo::suffix_tree tree(count, 64, 16);
    const std::size_t allocations = support::allocations_of([&] {
        for (int round = 0; round < 3; ++round) {
            std::uint32_t state = 1;
            const auto next = [&] {
                state = state * 1664525u + 1013904223u;
                return static_cast<eo::token_id>(state >> 24 & (round == 0 ? 1u : 63u));
            };
            eo::draft made;
            for (std::size_t i = 0; i < count; ++i) {
                if (!tree.append(round == 2 ? 7 : next())) break;
                tree.propose(tree.matches(), {}, made);
            }
            if (tree.append(1)) break;  // full
            while (tree.open_size() > count / 2) tree.pop_back();
            if (round == 0) {
                while (tree.open_size() > 0) tree.pop_back();
            } else {
                tree.finish();
                tree.append(5);
                tree.finish();
                tree.remove_oldest();
                tree.remove_oldest();
            }
            if (tree.nodes_in_use() != 0) break;
        }
    });
    CHECK(allocations == 0);
    CHECK(tree.size() == 0);
    CHECK(tree.nodes_in_use() == 0);
    // Older sequences make room for new ones, over and over.
    for (std::size_t round = 0; round < 100; ++round) {
        const token_string ids = random.tokens(100 + random.index(900), 4);
        while (tree.size() + ids.size() > count || tree.sequences() == 16) REQUIRE(tree.remove_oldest());
        append_all(tree, ids);
        REQUIRE(tree.finish());
        REQUIRE(tree.nodes_in_use() <= 2 * tree.size());
    }
    while (tree.remove_oldest()) {
    }
    CHECK(tree.nodes_in_use() == 0);
}

TEST_CASE("a repeated token costs a suffix tree one node", "[generate][suffix_tree]") {
    eo::suffix_tree tree(2000);
    append_all(tree, token_string(2000, 3));
    CHECK(tree.nodes_in_use() == 1);
    CHECK(tree.matches().size() == 63);
    CHECK(propose_from(tree).size() == eo::draft::max_size);
    CHECK(propose_from(tree).match() == 64 - eo::draft::max_size);
}

TEST_CASE("a suffix tree refuses sizes that it cannot have", "[generate][suffix_tree]") {
    using tree = eo::suffix_tree;
    CHECK(error_of([] { tree(0); }) == thrown(eo::errc::invalid_argument, {"max_tokens", "found 0"}));
    CHECK(error_of([] { tree((std::size_t{1} << 30) + 1); }) == thrown(eo::errc::invalid_argument, {"max_tokens"}));
    CHECK(error_of([] { tree(10, 0); }) == thrown(eo::errc::invalid_argument, {"depth", "found 0"}));
    CHECK(error_of([] { tree(10, 65); }) == thrown(eo::errc::invalid_argument, {"depth", "64", "65"}));
    CHECK(error_of([] { tree(10, 3, 0); }) == thrown(eo::errc::invalid_argument, {"max_sequences"}));
    for (std::size_t tokens = 1000; tokens < 1'000'000; tokens += 12'345) {
        CHECK(tree::bytes(tokens) > 99 * tokens);
        CHECK(tree::bytes(tokens) < 121 * tokens);
    }
}
