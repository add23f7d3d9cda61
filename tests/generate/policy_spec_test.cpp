// SPDX-License-Identifier: MIT
#include <earlyout/generate/policy_spec.hpp>

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
using support::error_of;
using support::thrown;

namespace {

std::string again(std::string_view text) { return to_string(eo::policy_spec::parse(text)); }

support::caught refused(std::string_view text) {
    return error_of([&] { (void)eo::policy_spec::parse(text); });
}

}  // namespace

TEST_CASE("a policy's text is parsed, printed and parsed again", "[generate][policy_spec]") {
    const std::string whole =
        "learn-to-exit(0.6) & margin(0.2) @ 2,4-6; head=shortlist(32, reach=full-depth); cache=defer(cap=8, "
        "prefill=lazy)";
    const eo::policy_spec policy = eo::policy_spec::parse(whole);
    REQUIRE(policy.gates.size() == 1);
    REQUIRE(policy.gates[0].size() == 2);
    CHECK(policy.gates[0][0] == eo::make_gate_spec("learn-to-exit", {0.6f}));
    CHECK(policy.gates[0][1] == eo::make_gate_spec("margin", {0.2f}));
    CHECK(policy.layers == std::vector<std::size_t>{2, 4, 5, 6});
    CHECK(policy.head == "auto");
    CHECK(policy.shortlist.tokens == 32);
    CHECK(policy.shortlist.reach == eo::shortlist_reach::full_depth);
    CHECK(policy.cache == "defer");
    CHECK(policy.cap == 8);
    CHECK(policy.prefill == eo::prefill::lazy);
    CHECK(to_string(policy) == whole);
    CHECK(policy.main_gate()->name == "learn-to-exit");
    CHECK(policy.active_experts == 0);
    CHECK(eo::policy_spec::parse("full-depth; experts=4").active_experts == 4);
    CHECK_FALSE(eo::policy_spec::parse("full-depth; experts=4") == eo::policy_spec{});
    for (const char* text :
         {"full-depth", "fitted", "margin", "margin(0.9)", "sec(0.9, stop=0.8) @ 3", "sec(stop=0.8)",
          "patience(3) @ 1-5",
          "token-budget(32, then=exit) | time-budget(0.5) | margin(0.25) @ 1,2; head=own; cache=omit",
          "full-depth; cache=defer", "entropy(1e+30)", "saturation(-0.5)", "fixed @ 4",
          "mlp-router(0.9) & margin(0.3); head=shortlist(8, head=adapter)", "full-depth; draft=auto",
          "full-depth; draft=suffix", "full-depth; draft=suffix|hashed(4)|recycled",
          "margin(0.3) @ 2; head=shortlist(512); cache=omit; draft=suffix|depth", "full-depth; experts=4",
          "margin(0.3) @ 2; cache=omit; draft=suffix|depth; experts=1"}) {
        INFO(text);
        CHECK(again(text) == text);
        CHECK(eo::policy_spec::parse(again(text)) == eo::policy_spec::parse(text));
    }
    CHECK(again("  margin ( threshold = 0.9 )@4 , 2;cache = propagate ") == "margin(0.9) @ 2,4");
    CHECK(again("sec(stop=0.8, exit=0.9)") == "sec(0.9, stop=0.8)");
    CHECK(eo::policy_spec::parse("full-depth").is_full_depth());
    CHECK_FALSE(eo::policy_spec::parse("fitted").is_full_depth());
}

TEST_CASE("a policy's main gate is the first that is not a budget", "[generate][policy_spec]") {
    CHECK(eo::policy_spec::parse("token-budget(5) | entropy(1)").main_gate()->name == "entropy");
    CHECK(eo::policy_spec::parse("token-budget(5)").main_gate() == nullptr);
    CHECK(eo::policy_spec{}.main_gate() == nullptr);
}

TEST_CASE("drafts are parsed by themselves and as part of a policy", "[generate][policy_spec]") {
    const eo::policy_spec policy = eo::policy_spec::parse("full-depth; draft = suffix | hashed( tokens=5 )");
    CHECK(policy.is_full_depth());
    REQUIRE(policy.drafts.drafters.size() == 2);
    CHECK(policy.drafts.drafters[1].name == "hashed");
    CHECK(policy.drafts.drafters[1].values == std::vector<std::optional<float>>{5.0f});
    CHECK(policy.drafts == eo::drafts_spec::parse("suffix|hashed(5)"));
    CHECK(eo::drafts_spec::parse("auto").is_auto);
    CHECK(eo::drafts_spec::parse("none").is_none());
    CHECK(eo::policy_spec::parse("full-depth; draft=none") == eo::policy_spec{});
    CHECK(to_string(eo::drafts_spec{}) == "none");
    const auto refuses = [](std::string_view text, std::initializer_list<std::string_view> parts) {
        INFO(text);
        CHECK(error_of([&] { (void)eo::drafts_spec::parse(text); }) == thrown(eo::errc::invalid_argument, parts));
    };
    refuses("", {"drafts ''", "a drafter (none, auto, suffix, hashed, recycled, depth)", "nothing"});
    refuses("sufix", {"'sufix'"});
    refuses("suffix|none", {"a drafter (suffix", "'none'"});
    refuses("suffix|suffix", {"each drafter once", "suffix again"});
    refuses("hashed(0)", {"tokens", "from 1 to 16", "'0'"});
    refuses("hashed(1.5)", {"whole number"});
    refuses("suffix(3)", {"at most 0 parameters of suffix"});
    refuses("suffix depth", {"the end", "depth"});
    CHECK(error_of([] { (void)eo::drafter_spec{.name = "x", .values = {}}.entry(); }) ==
          thrown(eo::errc::invalid_argument, {"drafter: expected one of suffix", "'x'"}));
}

TEST_CASE("errors in a policy's text are named", "[generate][policy_spec]") {
    const auto wrong = [](std::initializer_list<std::string_view> parts) {
        return thrown(eo::errc::invalid_argument, parts);
    };
    CHECK(refused("") == wrong({"policy ''", "gate", "margin", "nothing"}));
    CHECK(refused("margn(0.9)") == wrong({"policy 'margn(0.9)'", "'margn'", "mlp-router"}));
    CHECK(refused("margin(2)") == wrong({"margin: threshold", "from 0 to 1", "'2'"}));
    CHECK(refused("margin(nan)") == wrong({"from 0 to 1", "'nan'"}));
    CHECK(refused("margin(x)") == wrong({"a number", "'x'"}));
    CHECK(refused("entropy(-1)") == wrong({"a number from 0", "'-1'"}));
    CHECK(refused("patience(1.5)") == wrong({"whole number", "'1.5'"}));
    CHECK(refused("patience(0)") == wrong({"from 1", "'0'"}));
    CHECK(refused("margin(0.5, 0.6)") == wrong({"at most 1 parameters of margin", "0.6"}));
    CHECK(refused("margin(level=1)") == wrong({"parameter of margin (threshold)", "'level'"}));
    CHECK(refused("sec(0.5, exit=0.6)") == wrong({"each parameter once", "exit"}));
    CHECK(refused("token-budget(5, then=leave)") == wrong({"end, exit", "'leave'"}));
    CHECK(refused("margin(0.5") == wrong({"')'"}));
    CHECK(refused("margin &") == wrong({"gate", "nothing"}));
    CHECK(refused("margin @") == wrong({"layers from 1"}));
    for (const char* layers : {"0", "3-2", "x", "2-", "-2", "1.5", "99999999999999999999", "200000"}) {
        INFO(layers);
        CHECK(refused(std::string("margin @ ") + layers) == wrong({"layers from 1"}));
    }
    CHECK(refused("margin @ 2,2") == wrong({"each layer once", "2"}));
    CHECK(refused("margin; kv=defer") == wrong({"head=..., cache=..., draft=... or experts=...", "'kv'"}));
    CHECK(refused("margin; cache=defer; cache=omit") == wrong({"each setting once"}));
    CHECK(refused("margin; experts=0") == wrong({"whole number from 1", "'0'"}));
    CHECK(refused("margin; experts=4; experts=4") == wrong({"each setting once"}));
    CHECK(refused("margin; cache=drop") == wrong({"propagate, defer or omit", "'drop'"}));
    CHECK(refused("margin; cache=defer(cap=0)") == wrong({"from 1", "'0'"}));
    CHECK(refused("margin; cache=omit(cap=2)") == wrong({"the end", "(cap=2)"}));
    CHECK(refused("margin; head=mine") == wrong({"a head (auto, shared", "'mine'"}));
    CHECK(refused("margin; head=shortlist(1)") == wrong({"from 2", "'1'"}));
    CHECK(refused("margin; head=shortlist(8, reach=top)") == wrong({"exits or full-depth"}));
    CHECK(refused("margin) 3") == wrong({"the end"}));
    CHECK(refused(std::string(1, '\x01')) == wrong({"'?'"}));
    CHECK(error_of([] { (void)eo::make_gate_spec("margin", {0.1f, 0.2f}); }) == wrong({"at most 1", "2"}));
    CHECK(error_of([] { (void)eo::make_gate_spec("margin", {1.5f}); }) == wrong({"margin: threshold", "1.5"}));
    CHECK(error_of([] { (void)eo::make_gate_spec("nothing"); }) == wrong({"gate: expected one of", "'nothing'"}));
}
