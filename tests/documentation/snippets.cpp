// SPDX-License-Identifier: MIT
// The pieces of C++ that pages show, compiled and run.
#include <earlyout/calibrate/evaluate.hpp>
#include <earlyout/calibrate/sweep.hpp>
#include <earlyout/earlyout.hpp>
#include <earlyout/generate/make_session.hpp>
#include <earlyout/io/load.hpp>
#include <earlyout/io/sidecar.hpp>
#include <earlyout/models/any_model.hpp>

#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <limits>
#include <memory>
#include <numeric>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace eo = earlyout;

namespace {

using model_type = eo::io::pretrained<eo::any_model>;

void require(bool holds, std::string_view what) {
    if (!holds) eo::fail(eo::errc::invalid_argument, "snippet: expected ", what);
}

void sessions(const model_type& model) {
    auto s =
        eo::make_session(model, eo::policy_spec::parse("margin(0.6) @ 2,4; cache=defer(cap=8)"), {.capacity = 256});
    eo::completion done = s.complete("def add(a, b):\n    return", {.max_new_tokens = 16, .stop_strings = {"\n"}});
    std::cout << done.text << ": " << to_string(done.finish_reason) << ", " << done.stats.layers_skipped() << '\n';
    require(!done.ids.empty(), "tokens");
}

void token_by_token(const model_type& model) {
    eo::session s{model, eo::full_depth(), {.capacity = 256}};
    s.start(eo::encode_prompt(model, "import os\n"), {.max_new_tokens = 8});
    while (const auto event = s.next()) std::cout << event->piece << std::flush;
    s.rollback(4);  // as if the last four tokens had never been drawn
    while (const auto event = s.next()) std::cout << event->piece << std::flush;
    require(s.ids().size() == 8, "eight tokens");
}

void cancelled(const model_type& model) {
    std::stop_source stop;
    eo::session s{model};
    auto done =
        s.complete("class Reader:", {.max_new_tokens = 64, .cancel = stop.get_token()}, [&](const eo::token_event& t) {
            if (t.index == 3) stop.request_stop();  // any thread may
            return eo::flow::proceed;
        });
    require(done.finish_reason == eo::finish_reason::cancelled, "cancellation");
}

void hooks(const model_type& model) {
    std::size_t layer_tokens = 0;
    eo::generate_options options{.max_new_tokens = 8};
    options.on_logits = [](std::span<const eo::token_id>, std::span<float> logits) {
        logits[199] = -std::numeric_limits<float>::infinity();  // never this token
    };
    options.after_layer = [&](std::size_t, std::span<const eo::layer_token> tokens) { layer_tokens += tokens.size(); };
    eo::session s{model};
    const auto done = s.complete("x = [1, 2", options);
    require(layer_tokens != 0 && std::ranges::find(done.ids, eo::token_id{199}) == done.ids.end(), "hooks");
}

void gates(const model_type& model) {
    const auto sure = eo::make_gate<eo::signal::margin | eo::signal::entropy>([](const auto& s) {
        return s.margin() > 0.5f && s.entropy() < 1.0f ? eo::decision::exit : eo::decision::go_on;
    });
    eo::exit_policy policy{eo::exit_plan{std::vector{2, 4, 6}, eo::any_of(sure, eo::patience{.exits_in_a_row = 2})},
                           eo::shortlist{256, eo::shared_head{}}, eo::defer{.cap = 8}};
    eo::session s{model, policy};
    require(!s.complete("def main():\n", {.max_new_tokens = 8}).ids.empty(), "tokens");
}

/// Drafts what followed the last two tokens where they occurred before.
struct pair_drafts {
    void propose(std::span<const eo::token_id> ids, eo::draft& out) const {
        for (std::size_t i = ids.size() - 1; i-- > 1;) {
            if (ids[i] != ids.back() || ids[i - 1] != ids[ids.size() - 2]) continue;
            for (std::size_t next = i + 1; next < ids.size(); ++next) out.push(ids[next], 0.5f);
            return;
        }
    }
};

void drafts(const model_type& model) {
    eo::session plain{model};
    eo::session drafting{model, eo::full_depth(), pair_drafts{}};
    const auto expected = plain.complete("a = [1, 2, 3]\nb = [1, 2,", {.max_new_tokens = 32});
    const auto done = drafting.complete("a = [1, 2, 3]\nb = [1, 2,", {.max_new_tokens = 32});
    require(done.ids == expected.ids && done.log_probabilities == expected.log_probabilities, "the same bits");
}

void named_drafts(const model_type& model) {
    auto s =
        eo::make_session(model, eo::policy_spec::parse("margin(0.3) @ 2; head=shortlist(512); draft=suffix|depth"));
    const auto done = s.complete("import os\n\nfor path in ", {.max_new_tokens = 48});
    std::cout << done.stats.accepted << " of " << done.stats.drafted << " drafted tokens accepted, "
              << done.stats.tokens_per_step() << " tokens per step\n";
}

void stores(const model_type& model) {
    const auto store = std::make_shared<eo::suffix_store>(eo::suffix_store_options{.vocab = 4096});
    store->add(model.tokenizer().encode("def read_file(path):\n    with open(path) as file:\n"));
    eo::suffix_drafts drafter;
    drafter.store = store;
    eo::session s{model, eo::full_depth(), drafter};
    require(!s.complete("def read_file(", {.max_new_tokens = 8}).ids.empty(), "tokens");
}

void specs(const model_type& model) {
    auto policy = eo::policy_spec::parse("learn-to-exit & margin(0.2) @ 2; head=shortlist(32); cache=defer(cap=8)");
    policy.layers = {2, 4};
    const std::string text = to_string(policy);  // parse() reads it back as the same policy
    require(eo::policy_spec::parse(text) == policy, "the same policy");
    std::cout << to_string(eo::resolve(policy, model)) << '\n';  // with everything filled in that it leaves out
}

void sweeps(const model_type& model) {
    namespace calibrate = eo::calibrate;
    calibrate::sweep_options options;
    options.gates = {"margin"};
    options.thresholds = {0.3f, 0.6f};
    options.caches = {"defer"};
    for (const eo::policy_spec& policy : calibrate::make_sweep(model, options)) std::cout << to_string(policy) << '\n';
    require(!calibrate::make_sweep(model, options).empty(), "policies");
}

void sidecars(const model_type& model) {
    const std::filesystem::path file = std::filesystem::temp_directory_path() / "earlyout_snippet.safetensors";
    const std::vector<float> weights(3 * 160, 0.0f);
    eo::exit_weights exits;
    exits
        .set_model({.layers = 8,
                    .d_model = 160,
                    .vocab = 4096,
                    .fingerprint = model.exits().model().fingerprint,
                    .weight_formats = "f32"})
        .set_layers({3, 5})
        .set("sec.weight", {3, 160}, weights)
        .set_policy("sec", "sec(0.9, stop=0.8) @ 3,5");
    eo::io::write_exits(file, exits);
    require(std::filesystem::exists(file), "a file");
    std::filesystem::remove(file);
}

}  // namespace

int main(int argc, char** argv) try {
    const auto model = eo::io::load<eo::any_model>(argc > 1 ? argv[1] : "examples/model");
    sessions(model);
    token_by_token(model);
    cancelled(model);
    hooks(model);
    gates(model);
    drafts(model);
    named_drafts(model);
    stores(model);
    specs(model);
    sweeps(model);
    sidecars(model);
} catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return EXIT_FAILURE;
}
