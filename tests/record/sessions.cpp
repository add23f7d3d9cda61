// SPDX-License-Identifier: MIT
// Prints the ids, exit layers and bits of probabilities of sessions that reuse prefixes and roll back, for record.py.
#include <earlyout/exit/cache/defer.hpp>
#include <earlyout/exit/cache/omit.hpp>
#include <earlyout/exit/cache/propagate.hpp>
#include <earlyout/exit/gates/margin.hpp>
#include <earlyout/exit/gates/patience.hpp>
#include <earlyout/exit/heads/shared_head.hpp>
#include <earlyout/exit/heads/shortlist.hpp>
#include <earlyout/generate/session.hpp>

#include <bit>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>

#include "generate/fixtures.hpp"

namespace eo = earlyout;

namespace {

using support::ids;

void print(const char* what, const eo::token_event& event) {
    std::printf("%s %d %zu %08x\n", what, event.id, event.exit_layer,
                std::bit_cast<std::uint32_t>(event.log_probability));
}

/// Completions of prompts that begin like the ones before, with rollbacks in between.
template <class Policy>
void run(const char* name, const eo::gpt2<>& network, const Policy& policy, const eo::session_options& options) {
    std::printf("%s\n", name);
    eo::session session{network, policy, options};
    std::mt19937 engine(11);
    ids prompt = support::random_prompt(engine, 12, network.shape().vocab);
    for (int round = 0; round < 12; ++round) {
        prompt.resize(6 + engine() % 20);
        for (std::size_t i = 4 + engine() % 4; i < prompt.size(); ++i) {
            prompt[i] = static_cast<eo::token_id>(engine() % network.shape().vocab);
        }
        session.start(prompt, {.max_new_tokens = 20, .temperature = round % 3 == 2 ? 0.7f : 0.0f, .seed = 5});
        for (int i = 0; i < 14; ++i) {
            if (const auto event = session.next()) print("next", *event);
            if (i % 5 == 4) {
                const std::size_t keep = engine() % (session.ids().size() + 1);
                session.rollback(keep);
                std::printf("keep %zu\n", keep);
            }
        }
        const eo::run_stats stats = session.stats();
        std::printf("reused %zu, layer tokens %llu %llu, bytes %llu %llu\n", stats.reused_tokens,
                    static_cast<unsigned long long>(stats.prefill.layer_tokens),
                    static_cast<unsigned long long>(stats.decode.layer_tokens),
                    static_cast<unsigned long long>(stats.prefill.weight_bytes),
                    static_cast<unsigned long long>(stats.decode.weight_bytes));
    }
}

template <class Gate>
void run_policies(const char* gate_name, const Gate& gate) {
    for (const bool wide : {false, true}) {
        const eo::gpt2<>& network = wide ? support::wide_network() : support::small_network();
        const eo::exit_layers layers = wide ? eo::exit_layers{1, 2, 3} : eo::exit_layers{1, 2, 4, 5};
        for (const std::size_t threads : {std::size_t{1}, std::size_t{2}}) {
            for (const eo::kv_format kv : {eo::kv_format(eo::f32{}), eo::kv_format(eo::f16{})}) {
                const eo::session_options options{.threads = threads, .block = threads == 1 ? 128u : 5u, .kv = kv};
                const auto name = [&](const char* cache) {
                    return std::string(gate_name) + (wide ? ", wide, " : ", small, ") + cache + ", " +
                           std::to_string(threads) + " threads, " + kv.name();
                };
                const auto policy = [&](auto head, auto cache) {
                    return eo::exit_policy{eo::exit_plan{layers, gate}, head, cache};
                };
                run(name("propagate").c_str(), network, policy(eo::shared_head{}, eo::propagate{}), options);
                run(name("defer").c_str(), network, policy(eo::shared_head{}, eo::defer{}), options);
                run(name("defer, lazy").c_str(), network,
                    policy(eo::shared_head{}, eo::defer{.cap = 4, .prefill = eo::prefill::lazy}), options);
                run(name("omit").c_str(), network, policy(eo::shared_head{}, eo::omit{}), options);
                run(name("shortlist").c_str(), network, policy(eo::shortlist<>{8}, eo::defer{}), options);
            }
        }
    }
}

}  // namespace

int main() {
    run_policies("margin", eo::margin{.threshold = 0.05f});
    run_policies("patience", eo::patience{.exits_in_a_row = 1});
    run_policies("hash", support::hash_gate{});
    return 0;
}
