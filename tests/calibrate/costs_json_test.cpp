// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/costs_json.hpp>

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;

namespace {

eo::step_costs costs_on(const char* processor, std::size_t threads) {
    eo::step_costs costs;
    costs.measured_on = {processor, "avx2_fma", "bf16", threads};
    costs.position = 64;
    costs.layer = {1e-5, 1.1e-5};
    costs.output = {2e-5, 3e-5};
    costs.keys_and_values = 1e-6;
    costs.token = 5e-7;
    costs.gate["sec"] = 1e-7;
    return costs;
}

}  // namespace

TEST_CASE("costs of several machines are stored with exits and read again", "[calibrate][costs_json]") {
    eo::exit_weights exits("file");
    CHECK(calibrate::read_costs(exits).empty());
    const auto policy = eo::policy_spec::parse("margin(0.5) @ 2; cache=defer");
    calibrate::store_costs(exits, costs_on("one", 1), policy);
    calibrate::store_costs(exits, costs_on("one", 2), {});
    calibrate::store_costs(exits, costs_on("one", 1), {});
    calibrate::store_costs(exits, costs_on("one", 1), policy);  // in place of the one before
    const auto all = calibrate::read_costs(exits);
    REQUIRE(all.size() == 2);
    CHECK(all[0].costs.measured_on.threads == 2);
    CHECK(all[0].policy.is_full_depth());
    CHECK(all[1].costs.measured_on == costs_on("one", 1).measured_on);
    CHECK(all[1].costs.layer == costs_on("one", 1).layer);
    CHECK(all[1].costs.output == costs_on("one", 1).output);
    CHECK(all[1].costs.keys_and_values == 1e-6);
    CHECK(all[1].costs.token == 5e-7);
    CHECK(all[1].costs.gate == costs_on("one", 1).gate);
    CHECK(all[1].costs.position == 64);
    CHECK(all[1].policy == policy);
}

TEST_CASE("a front is stored with exits and read again", "[calibrate][costs_json]") {
    eo::exit_weights exits("file");
    CHECK_FALSE(calibrate::read_front(exits));
    const std::vector<calibrate::front_policy> front{
        {eo::policy_spec::parse("margin(0.5) @ 2"), -0.01, 0.02, {.tokens = 1.0, .layers = 5.5, .outputs = 1.5}},
        {eo::policy_spec::parse("sec(0.7, stop=1) @ 1-3"), 0.0, 0.01, {.tokens = 1.0, .layers = 6.0, .gates = 2.0}}};
    calibrate::store_front(exits, front, 0.011);
    const auto found = calibrate::read_front(exits);
    REQUIRE(found);
    CHECK(found->loss == 0.011);
    CHECK(found->policies == front);
}

TEST_CASE("what is no cost and no front is refused by name", "[calibrate][costs_json]") {
    const auto refused = [](const char* key, const std::string& text) {
        return support::error_of([&] {
            eo::exit_weights exits("file");
            exits.set_metadata(key, text);
            (void)calibrate::read_costs(exits);
            (void)calibrate::read_front(exits);
        });
    };
    const auto malformed = [](std::initializer_list<std::string_view> words) {
        return support::thrown(eo::errc::malformed_file, words);
    };
    CHECK(refused("costs", "[") == malformed({"file", "'costs'", "expected JSON"}));
    CHECK(refused("costs", "{}") == malformed({"file", "'costs'", "a list"}));
    CHECK(refused("costs", "[1]") == malformed({"'costs'", "expected an object, found 1"}));
    CHECK(refused("costs", "[{}]") == malformed({"'costs'", "'processor' is missing"}));
    CHECK(refused("costs", R"([{"processor":1}])") == malformed({"'processor'", "expected text, found 1"}));
    CHECK(refused("costs", R"([{"processor":"","instruction_set":"","weight_format":"","threads":-1}])") ==
          malformed({"'threads'", "from 0", "-1"}));
    CHECK(
        refused("costs",
                R"([{"processor":"","instruction_set":"","weight_format":"","threads":1,"position":1,"layer":[]}])") ==
        malformed({"'layer'", "1 to 4096 numbers", "[]"}));
    CHECK(refused("front", "{}") == malformed({"'front'", "'loss' is missing"}));
    CHECK(refused("front", R"({"loss":0.1,"policies":{}})") == malformed({"'policies'", "a list"}));
    CHECK(refused("front", R"({"loss":0.1,"policies":[{"policy":"no such gate"}]})") ==
          malformed({"'front'", "no such gate"}));
    CHECK(refused("front", R"({"loss":0.1,"policies":[{"policy":"fixed @ 1","rouge_l_loss":"x"}]})") ==
          malformed({"'rouge_l_loss'", "a number"}));
}
