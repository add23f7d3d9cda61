// SPDX-License-Identifier: MIT
#include <earlyout/models/detail/rotary_settings.hpp>

#include <earlyout/io/hugging_face_checkpoint.hpp>
#include <earlyout/io/json_config.hpp>
#include <earlyout/models/llama.hpp>
#include <earlyout/models/qwen3.hpp>
#include <earlyout/text/json.hpp>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/golden.hpp"
#include "support/golden_pass.hpp"

namespace {

namespace eo = earlyout;
using eo::errc;
using json = nlohmann::json;
using support::caught;
using support::thrown;

/// The tensors of a golden model with a config.json of the test's own.
class reconfigured final : public eo::checkpoint {
public:
    reconfigured(json config, const eo::checkpoint& tensors)
        : config_(std::move(config), "config.json"), tensors_(tensors) {}
    std::string source() const override { return "config.json"; }
    const eo::configuration& config() const override { return config_; }
    const eo::tensor_view* find(std::string_view name) const override { return tensors_.find(name); }

private:
    eo::io::json_config config_;
    const eo::checkpoint& tensors_;
};

const eo::io::hugging_face_checkpoint& model() {
    static const eo::io::hugging_face_checkpoint from(support::golden_folder("llama3_scaled"));
    return from;
}

/// Its configuration without rotary parameters.
json plain() {
    json config = model().config().object().value;
    config.erase("rope_scaling");
    config.erase("rope_theta");
    return config;
}

struct outcome {
    caught problem;
    std::vector<float> logits;
};

/// Logits of the last of some tokens, or what was refused.
outcome run(const json& config) {
    static const std::vector<eo::token_id> tokens{1, 5, 9, 33, 40, 2, 8, 1, 44, 7, 30, 31};
    outcome made;
    made.problem = support::error_of([&] {
        const auto network = eo::llama<>::from_checkpoint(reconfigured(config, model()));
        support::forward_pass pass(network, tokens, tokens.size());
        pass.run(1, network.shape().layers, 0, tokens.size());
        made.logits = pass.logits(tokens.size() - 1);
    });
    return made;
}
json merged(json into, const json& more) {
    into.update(more, true);
    return into;
}

const json llama3{{"rope_type", "llama3"},
                  {"factor", 8.0},
                  {"low_freq_factor", 1.0},
                  {"high_freq_factor", 4.0},
                  {"original_max_position_embeddings", 64}};

}  // namespace

TEST_CASE("rotary parameters mean the same wherever a config.json stores them", "[models][rotary]") {
    // The expected settings, and the one form of them in older files.
    for (const json& scaling : {json(), json{{"rope_type", "linear"}, {"factor", 3.0}}, llama3}) {
        for (const double theta : {10000.0, 500000.0}) {
            const outcome expected = run(merged(plain(), {{"rope_theta", theta}, {"rope_scaling", scaling}}));
            REQUIRE(expected.problem.code == "none");
            json renamed = scaling.is_null() ? json::object() : scaling;
            if (renamed.contains("rope_type")) {
                renamed["type"] = renamed["rope_type"];
                renamed.erase("rope_type");
            }
            const json of_object = scaling.is_null() ? json{{"rope_type", "default"}} : scaling;
            const json with_theta = merged(of_object, {{"rope_theta", theta}});
            const json by_type{{"full_attention", with_theta}};
            const json other{{"rope_theta", 77.0}};
            std::vector<json> same{
                {{"rope_parameters", with_theta}},
                {{"rope_parameters", with_theta}, {"rope_theta", 77.0}},  // the object's own takes precedence
                {{"rope_parameters", of_object}, {"rope_theta", theta}},
                {{"rope_scaling", of_object}, {"rope_theta", theta}},
                {{"rope_scaling", with_theta}, {"rope_parameters", nullptr}},
                {{"rope_scaling", with_theta}, {"rope_theta", 77.0}},
                {{"rope_scaling", json::object()}, {"rope_parameters", with_theta}},
                {{"rope_scaling", of_object}, {"rope_parameters", with_theta}},
                {{"rope_scaling", with_theta}, {"rope_parameters", with_theta}},
                {{"rope_scaling", json{{"rope_type", "default"}}}, {"rope_parameters", with_theta}},
                {{"rope_parameters", by_type}},
                {{"rope_parameters", by_type}, {"layer_types", {"full_attention", "full_attention"}}},
                {{"rope_parameters", json{{"full_attention", of_object}}}, {"rope_theta", theta}},
                {{"rope_parameters", merged(with_theta, {{"partial_rotary_factor", 1.0}})}},
                {{"rope_parameters", merged(with_theta, {{"attention_factor", nullptr}, {"unknown", 3}})}},
            };
            if (!renamed.empty()) {
                same.push_back({{"rope_scaling", renamed}, {"rope_theta", theta}});
                same.push_back({{"rope_parameters", merged(renamed, {{"rope_theta", theta}})}});
                same.push_back({{"rope_parameters", merged(with_theta, {{"type", with_theta["rope_type"]}})}});
            }
            if (theta == 10000.0) {
                same.push_back({{"rope_parameters", of_object}});
                same.push_back({{"rope_scaling", scaling}});
            }
            for (const json& places : same) {
                INFO(places.dump());
                const outcome found = run(merged(plain(), places));
                CHECK(found.problem.code == "none");
                CHECK(found.logits == expected.logits);
            }
            // Each requires something else as well, and none may be ignored.
            const json other_kind{{"rope_type", "longrope"}, {"factor", 2.0}};
            for (const json& places : std::vector<json>{
                     {{"rope_parameters", with_theta}, {"rope_scaling", other_kind}},
                     {{"rope_scaling", with_theta}, {"rope_parameters", other_kind}},
                     {{"rope_parameters", merged(with_theta, {{"type", "yarn"}})}},
                     {{"rope_parameters", {{"rope_theta", theta}}}, {"rope_scaling", {{"type", "dynamic"}}}},
                     {{"rope_parameters", with_theta}, {"rope_scaling", merged(of_object, {{"rope_theta", 7.0}})}},
                     {{"rope_parameters", with_theta}, {"rope_scaling", {{"rope_type", "linear"}, {"factor", 9.0}}}},
                     {{"rope_parameters", with_theta}, {"partial_rotary_factor", 0.5}},
                     {{"rope_parameters", merged(with_theta, {{"partial_rotary_factor", 0.5}})}},
                     {{"rope_scaling", merged(with_theta, {{"partial_rotary_factor", 0.5}})}},
                     {{"rope_parameters", merged(by_type, {{"rope_type", "default"}})}},
                     {{"rope_parameters", {{"sliding_attention", with_theta}}}},
                     {{"rope_parameters", {{"full_attention", other_kind}}}},
                     {{"rope_parameters", "yarn"}},
                     {{"rope_scaling", {{"factor", 2.0}}}, {"rope_theta", theta}},
                     {{"rope_theta", json{{"full_attention", theta}}}},
                 }) {
                INFO(places.dump());
                const outcome found = run(merged(plain(), places));
                CHECK(found.problem.code != "none");
                CHECK(found.problem.code != "other");
            }
        }
    }
}

TEST_CASE("a refused rotary parameter is named with its place", "[models][rotary][errors]") {
    const auto problem = [](const json& places) { return run(merged(plain(), places)).problem; };
    CHECK(problem({{"rope_scaling", {{"type", "longrope"}}}, {"rope_parameters", {{"rope_theta", 5e5}}}}) ==
          thrown(errc::unsupported, {"'rope_scaling.type'", "default, linear, dynamic, llama3, yarn", "'longrope'"}));
    CHECK(problem({{"rope_parameters", {{"rope_type", "linear"}, {"factor", 2.0}}},
                   {"rope_scaling", {{"type", "linear"}, {"factor", 4.0}}}}) ==
          thrown(errc::unsupported, {"'rope_scaling.factor'", "'rope_parameters.factor', 2", "found 4"}));
    CHECK(problem({{"rope_parameters", {{"global", {{"rope_theta", 5e5}}}}}}) ==
          thrown(errc::unsupported, {"'rope_parameters'", "full_attention", "global"}));
    CHECK(problem({{"rope_parameters", merged(llama3, {{"factor", nullptr}})}}) ==
          thrown(errc::malformed_file, {"'rope_parameters.factor' is missing"}));
    CHECK(problem({{"rope_scaling", 3}}) == thrown(errc::malformed_file, {"'rope_scaling'"}));
    CHECK(problem({{"rope_scaling", llama3}, {"original_max_position_embeddings", 32}}) ==
          thrown(errc::unsupported, {"'rope_scaling.original_max_position_embeddings'", "32", "64"}));
}

TEST_CASE("the original context of Llama 3's scaling may be at the top level, or is the model's", "[models][rotary]") {
    json without = llama3;
    without.erase("original_max_position_embeddings");
    const outcome expected = run(merged(plain(), {{"rope_scaling", llama3}}));
    CHECK(run(merged(plain(), {{"rope_scaling", without}, {"original_max_position_embeddings", 64}})).logits ==
          expected.logits);
    CHECK(run(merged(plain(), {{"rope_scaling", without}, {"max_position_embeddings", 64}})).logits ==
          run(merged(plain(), {{"rope_scaling", llama3}, {"max_position_embeddings", 64}})).logits);
}

TEST_CASE("YaRN's parameters count, and have transformers' defaults", "[models][rotary]") {
    const json yarn{{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 500}};
    const auto logits = [&](const json& changed) {
        return run(merged(plain(), {{"rope_scaling", merged(yarn, changed)}, {"rope_theta", 1000.0}})).logits;
    };
    const auto expected = logits(json::object());
    REQUIRE(!expected.empty());
    CHECK(logits({{"type", "yarn"}, {"beta_fast", 32}, {"beta_slow", 1.0}, {"truncate", true}}) == expected);
    CHECK(logits({{"beta_fast", nullptr}, {"attention_factor", nullptr}, {"mscale", 1.0}}) == expected);
    CHECK(logits({{"mscale", 0.7}, {"mscale_all_dim", 0.7}}) == logits({{"attention_factor", 1.0}}));
    for (const json& changed : std::vector<json>{{{"factor", 8.0}},
                                                 {{"original_max_position_embeddings", 250}},
                                                 {{"beta_fast", 3.0}},
                                                 {{"beta_slow", 0.3}},
                                                 {{"attention_factor", 1.0}},
                                                 {{"truncate", false}},
                                                 {{"mscale", 2.0}, {"mscale_all_dim", 1.0}}}) {
        INFO(changed.dump());
        CHECK(logits(changed) != expected);
    }
    const auto problem = [&](const json& changed) {
        return run(merged(plain(), {{"rope_scaling", merged(yarn, changed)}})).problem;
    };
    CHECK(problem({{"beta_fast", 0.5}}) ==
          thrown(errc::wrong_value, {"'rope_scaling.beta_fast'", "at least 1", "0.5"}));
    CHECK(problem({{"factor", -1.0}}) == thrown(errc::wrong_value, {"'rope_scaling.factor'", "-1"}));
    CHECK(run(merged(plain(), {{"rope_scaling", {{"type", "yarn"}}}})).problem ==
          thrown(errc::malformed_file, {"'rope_scaling.factor' is missing"}));
    const json places{{"rope_scaling", yarn}, {"rope_parameters", merged(yarn, {{"beta_fast", 3.0}})}};
    CHECK(run(merged(plain(), places)).problem ==
          thrown(errc::unsupported, {"'rope_scaling.'", "the same frequencies"}));
}

TEST_CASE("dynamic scaling changes nothing within the model's context", "[models][rotary]") {
    const json dynamic{{"rope_type", "dynamic"}, {"factor", 4.0}};
    CHECK(run(merged(plain(), {{"rope_scaling", dynamic}})).logits == run(plain()).logits);
    CHECK(run(merged(plain(), {{"rope_scaling", merged(dynamic, {{"alpha", 1000.0}})}})).problem ==
          thrown(errc::unsupported, {"'rope_scaling.alpha'", "1000"}));
    CHECK(run(merged(plain(), {{"rope_scaling", {{"rope_type", "dynamic"}}}})).problem ==
          thrown(errc::malformed_file, {"'rope_scaling.factor' is missing"}));
}

TEST_CASE("layers of each type have their own rotary parameters", "[models][rotary]") {
    const eo::io::hugging_face_checkpoint tensors(support::golden_folder("qwen3"));
    json config = tensors.config().object().value;
    config.erase("rope_scaling");
    config.erase("rope_theta");
    config.erase("rope_parameters");
    config["layer_types"] = json::array();
    for (int i = 0; i < config["num_hidden_layers"].get<int>(); ++i) {
        config["layer_types"].push_back(i % 2 == 0 ? "sliding_attention" : "full_attention");
    }
    config.update({{"use_sliding_window", true}, {"sliding_window", 4}});
    const std::vector<eo::token_id> text{1, 5, 9, 3, 4, 2, 8};
    const auto hidden = [&](const json& parameters, std::size_t layer) {
        const auto network =
            eo::qwen3<>::from_checkpoint(reconfigured(merged(config, {{"rope_parameters", parameters}}), tensors));
        support::forward_pass pass(network, text, text.size());
        pass.run(1, layer, 0, text.size());
        const auto row = pass.hidden(text.size() - 1);
        return std::vector<float>(row.begin(), row.end());
    };
    const json slow{{"rope_theta", 1e6}};
    const json fast{{"rope_theta", 100.0}};
    const json both{{"sliding_attention", fast}, {"full_attention", slow}};
    CHECK(hidden(both, 1) == hidden(fast, 1));
    CHECK(hidden(both, 1) != hidden(slow, 1));
    CHECK(hidden(both, 2) != hidden(fast, 2));
    CHECK(hidden(both, 2) != hidden(slow, 2));
}

TEST_CASE("unsupported settings that change the result are refused by name", "[models][errors]") {
    const auto problem = [](const char* key, const json& value) {
        json config = plain();
        config[key] = value;
        return run(config).problem;
    };
    for (const char* key : {"logit_scale", "logits_scaling", "residual_multiplier", "embedding_multiplier",
                            "attention_multiplier", "query_pre_attn_scalar", "attn_logit_softcapping",
                            "final_logit_softcapping", "clip_qkv", "scale_depth", "scale_emb", "dim_model_base"}) {
        INFO(key);
        CHECK(problem(key, 1.75) == thrown(errc::unsupported, {std::string("'").append(key).append("'"), "1.75"}));
        CHECK(problem(key, nullptr).code == "none");
    }
    for (const char* key : {"use_qk_norm", "alibi", "use_parallel_residual", "is_encoder_decoder"}) {
        INFO(key);
        CHECK(problem(key, true) == thrown(errc::unsupported, {key, "true"}));
        CHECK(problem(key, false).code == "none");
    }
    CHECK(problem("is_causal", false) == thrown(errc::unsupported, {"'is_causal'"}));
    CHECK(problem("attention_multiplier", 0.25).code == "none");  // of heads of 16
    CHECK(problem("logit_scale", 1).code == "none");
    CHECK(problem("clip_qkv", false).code == "none");
    CHECK(problem("num_local_experts", 4) == thrown(errc::unsupported, {"'num_local_experts'"}));
    CHECK(problem("no_rope_layers", {1, 1}).code == "none");
    CHECK(problem("no_rope_layers", {1, 0}) == thrown(errc::unsupported, {"'no_rope_layers.1'"}));
    CHECK(problem("hidden_activation", "silu").code == "none");
    CHECK(problem("hidden_activation", "gelu") == thrown(errc::unsupported, {"'hidden_activation'", "'gelu'"}));
    CHECK(problem("layer_types", {"full_attention", "sliding_attention"}) ==
          thrown(errc::unsupported, {"'layer_types.1'", "full_attention", "'sliding_attention'"}));
    CHECK(problem("layer_types", {"linear_attention"}) == thrown(errc::unsupported, {"'layer_types.0'"}));
    // Neutral values are accepted.
    for (const json& value : std::vector<json>{"x", 3, nullptr, true, {1, 2}, {{"a", 1}}}) {
        CHECK(problem("some_key", value).code == "none");
        CHECK(problem("torch_dtype", value).code == "none");
    }
}
