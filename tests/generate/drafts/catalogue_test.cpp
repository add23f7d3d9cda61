// SPDX-License-Identifier: MIT
#include <earlyout/generate/drafts/catalogue.hpp>

#include <set>
#include <string_view>
#include <vector>

#include "generate/drafts/draft_fakes.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;

namespace {

/// A drafter that a program could add to the catalogue.
struct catalogued_drafts {
    static constexpr eo::gate_parameter parameters[]{
        {.name = "token", .meaning = "drafted", .comparison = "=", .otherwise = 1.0f, .max = 100.0f}};
    static constexpr eo::drafter_info info{.name = "constant", .brief = "one token", .parameters = parameters};

    eo::token_id token = 1;

    static catalogued_drafts from(std::span<const float> values) { return {static_cast<eo::token_id>(values[0])}; }
    void propose(std::span<const eo::token_id>, eo::draft& out) const { out.push(token, 1.0f); }
};

}  // namespace

TEST_CASE("every drafter of the catalogue describes itself", "[generate][draft_catalogue]") {
    std::set<std::string_view> names;
    for (const eo::drafter_entry& entry : eo::drafter_catalogue()) {
        INFO(entry.info.name);
        CHECK(names.insert(entry.info.name).second);
        CHECK(entry.info.name != "none");  // words of a policy's text
        CHECK(entry.info.name != "auto");
        CHECK(eo::find_drafter(entry.info.name) == &entry);
        CHECK_FALSE(entry.info.brief.empty());
        std::vector<float> values;
        for (const eo::gate_parameter& p : entry.info.parameters) {
            INFO(p.name);
            CHECK_FALSE(p.name.empty());
            CHECK_FALSE(p.meaning.empty());
            CHECK((p.otherwise >= p.min && p.otherwise <= p.max));
            values.push_back(p.otherwise);
        }
        const eo::any_drafter made = entry.make(values, {});
        CHECK(eo::drafter_names(made) == std::vector{entry.info.name});
        CHECK(eo::uses_exits(made) == entry.uses_exits);
        CHECK_FALSE(eo::proposes_nothing(made));
        (void)eo::start_drafts(made, {.tokens = 16, .vocab = 97});
    }
    CHECK(names.contains("suffix"));
    CHECK(names.contains("depth"));
    CHECK(eo::find_drafter("suffixes") == nullptr);
    CHECK(eo::find_drafter("") == nullptr);
    CHECK(eo::find_drafter("depth")->uses_exits);
    CHECK_FALSE(eo::find_drafter("suffix")->uses_exits);
}

TEST_CASE("an entry makes the drafter of its type from values", "[generate][draft_catalogue]") {
    constexpr eo::drafter_entry entry = eo::drafter_entry_of<catalogued_drafts>();
    CHECK(entry.info.name == "constant");
    CHECK_FALSE(entry.uses_exits);
    const eo::any_drafter made = entry.make(std::vector{42.0f}, {});
    auto state = eo::start_drafts(made, {});
    support::draft_desk desk;
    eo::draft_context context = desk.context();
    eo::draft proposed;
    eo::propose(made, std::vector<eo::token_id>{1}, state, context, proposed);
    CHECK(support::drafted_ids(proposed) == std::vector<eo::token_id>{42});
}
