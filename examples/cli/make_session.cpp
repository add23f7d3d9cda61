// SPDX-License-Identifier: MIT
#include "make_session.hpp"

#include <earlyout/exit/adapter_head.hpp>
#include <earlyout/exit/always.hpp>
#include <earlyout/exit/any_gate.hpp>
#include <earlyout/exit/budget.hpp>
#include <earlyout/exit/combinators.hpp>
#include <earlyout/exit/entropy_gate.hpp>
#include <earlyout/exit/jei_dnn.hpp>
#include <earlyout/exit/learn_to_exit.hpp>
#include <earlyout/exit/margin.hpp>
#include <earlyout/exit/max_probability.hpp>
#include <earlyout/exit/own_head.hpp>
#include <earlyout/exit/patience.hpp>
#include <earlyout/exit/saturation.hpp>
#include <earlyout/exit/sec_gate.hpp>
#include <earlyout/exit/shortlist.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>

namespace cli {

namespace {

template <class Policy>
eo::any_session make(const model& m, Policy policy, const run_options& run) {
    return eo::any_session(m, std::move(policy),
                           eo::session_options{.capacity = run.capacity,
                                               .threads = run.threads,
                                               .prefill_threads = run.prefill_threads,
                                               .kv = eo::any_kv_format(run.kv_dtype)});
}

/// The gate, asked after the budgets where there are any.
template <class Gate>
eo::any_gate within_budget(const exit_options& chosen, Gate gate) {
    if (chosen.token_budget == 0 && chosen.time_budget == 0.0) return gate;
    const auto then = chosen.over_budget == "leave" ? eo::over_budget::leave : eo::over_budget::end;
    const std::size_t no_limit = std::numeric_limits<std::size_t>::max();
    const double no_end = std::numeric_limits<double>::infinity();
    return eo::any_of(
        eo::token_budget{chosen.token_budget != 0 ? chosen.token_budget : no_limit, then},
        eo::time_budget{std::chrono::duration<double>(chosen.time_budget > 0.0 ? chosen.time_budget : no_end), then},
        std::move(gate));
}

eo::any_gate sec_gate(const model& m, const exit_options& chosen) {
    const eo::exit_weights& exits = m.exits();
    const auto fitted = [&](const char* name, float otherwise) {
        return exits.has_threshold(name) ? exits.threshold(name) : otherwise;
    };
    const eo::sec_thresholds otherwise;
    const eo::sec_thresholds thresholds{.exit = chosen.threshold.value_or(fitted("exit", otherwise.exit)),
                                        .stop = chosen.stop_threshold.value_or(fitted("stop", otherwise.stop))};
    if (exits.has_gate()) return within_budget(chosen, eo::sec_gate(exits.gate(), thresholds));
    std::vector<eo::layer_weights> each;
    for (std::size_t layer = 1; layer <= exits.model().layers; ++layer) {
        if (exits.has_gate(layer)) each.push_back({layer, exits.gate(layer)});
    }
    if (each.empty()) (void)exits.gate();  // says what is missing
    return within_budget(chosen, eo::sec_gate(std::move(each), thresholds));
}

eo::any_gate jei_dnn(const model& m, const exit_options& chosen) {
    const eo::exit_weights& exits = m.exits();
    const float otherwise = exits.has_threshold("jei_dnn") ? exits.threshold("jei_dnn") : 0.5f;
    return within_budget(chosen,
                         eo::jei_dnn(eo::weights_by_layer(exits, "jei_dnn"), chosen.threshold.value_or(otherwise)));
}

eo::any_gate learn_to_exit(const model& m, const exit_options& chosen) {
    const eo::exit_weights& exits = m.exits();
    const float otherwise = exits.has_threshold("learn_to_exit") ? exits.threshold("learn_to_exit") : 0.1f;
    const eo::learn_to_exit gate(eo::weights_by_layer(exits, "learn_to_exit"), chosen.threshold.value_or(otherwise));
    std::optional<float> margin = chosen.check_margin;
    if (!margin && exits.has_threshold("check_margin")) margin = exits.threshold("check_margin");
    if (!margin || *margin <= 0.0f) return within_budget(chosen, gate);
    return within_budget(chosen, eo::and_then(gate, eo::margin{*margin}));
}

eo::any_gate patience(const exit_options& chosen) {
    eo::patience made;
    if (chosen.threshold) {
        const float wanted = *chosen.threshold;
        if (wanted < 1.0f || std::floor(wanted) != wanted) {
            eo::fail(eo::errc::invalid_argument,
                     "--threshold: expected a whole number >= 1 for --exit-gate patience, found ", wanted);
        }
        made.exits_in_a_row = static_cast<unsigned>(std::min(wanted, 1e6f));  // more than any model has layers
    }
    return within_budget(chosen, made);
}

eo::any_gate gate(const model& m, const exit_options& chosen) {
    if (chosen.gate == "learn-to-exit") return learn_to_exit(m, chosen);
    if (chosen.check_margin) {
        eo::fail(eo::errc::invalid_argument, "--check-margin: expected --exit-gate learn-to-exit, found ", chosen.gate);
    }
    if (chosen.gate == "sec") return sec_gate(m, chosen);
    if (chosen.gate == "jei-dnn") return jei_dnn(m, chosen);
    if (chosen.gate == "patience") return patience(chosen);
    const auto threshold_or = [&](float otherwise) { return chosen.threshold.value_or(otherwise); };
    if (chosen.gate == "margin") return within_budget(chosen, eo::margin{threshold_or(eo::margin{}.threshold)});
    if (chosen.gate == "max-probability")
        return within_budget(chosen, eo::max_probability{threshold_or(eo::max_probability{}.threshold)});
    if (chosen.gate == "entropy") return within_budget(chosen, eo::entropy{threshold_or(eo::entropy{}.threshold)});
    if (chosen.gate == "saturation")
        return within_budget(chosen, eo::saturation{threshold_or(eo::saturation{}.threshold)});
    if (chosen.gate == "fixed") return within_budget(chosen, eo::always_exit{});
    return eo::never_exit{};
}

template <class Head>
eo::any_session make(const model& m, const exit_options& chosen, Head head, const run_options& run) {
    const eo::exit_plan plan{eo::exit_layers(exit_layers(m, chosen)), gate(m, chosen)};
    if (chosen.kv == "propagate") return make(m, eo::exit_policy{plan, head, eo::propagate{}}, run);
    if (chosen.kv == "omit") return make(m, eo::exit_policy{plan, head, eo::omit{}}, run);
    const std::size_t cap = chosen.defer_cap != 0 ? chosen.defer_cap : eo::defer{}.cap;
    const auto order = chosen.prefill == "lazy" ? eo::prefill::lazy : eo::prefill::eager;
    return make(m, eo::exit_policy{plan, head, eo::defer{.cap = cap, .prefill = order}}, run);
}

}  // namespace

std::vector<std::size_t> exit_layers(const model& m, const exit_options& chosen) {
    if (chosen.gate == "none") return {};
    std::vector<std::size_t> layers = chosen.layers;
    const bool fitted = chosen.gate == "sec" || chosen.gate == "learn-to-exit" || chosen.gate == "jei-dnn";
    if (layers.empty() && fitted && m.has_exits()) {
        const std::string name = chosen.gate == "sec" ? "sec" : chosen.gate == "jei-dnn" ? "jei_dnn" : "learn_to_exit";
        if (const auto* worth_it = m.exits().find(name + ".layers")) {
            for (const float layer : worth_it->values) {
                const auto all = m.exits().layers();
                const auto found = std::ranges::find(all, layer, [](std::size_t l) { return static_cast<float>(l); });
                if (found == all.end()) {
                    eo::fail(eo::errc::wrong_value, m.exits().source(), ": tensor '", name,
                             ".layers': expected some of its exit layers, found ", layer);
                }
                layers.push_back(*found);
            }
        }
    }
    if (layers.empty() && fitted && m.has_exits()) {
        layers.assign(m.exits().layers().begin(), m.exits().layers().end());
    }
    if (layers.empty()) {
        // A gate that asks for logits costs as much as several layers of a small model: few exits pay.
        const std::size_t depth = m.network().shape().layers;
        for (const std::size_t quarter : {1u, 2u, 3u}) layers.push_back(std::max<std::size_t>(1, depth * quarter / 4));
    }
    std::ranges::sort(layers);
    layers.erase(std::unique(layers.begin(), layers.end()), layers.end());
    if (chosen.gate == "fixed") return {layers.front()};
    return layers;
}

std::string head_name(const model& m, const std::string& chosen) {
    if (chosen != "auto") return chosen;
    if (!m.has_exits()) return "shared";
    const auto some_layer = [&](auto has) {
        for (std::size_t layer = 1; layer <= m.exits().model().layers; ++layer) {
            if (has(layer)) return true;
        }
        return false;
    };
    if (some_layer([&](std::size_t layer) { return m.exits().has_adapter(layer); })) return "adapter";
    return some_layer([&](std::size_t layer) { return m.exits().has_head(layer); }) ? "own" : "shared";
}

eo::any_head make_head(const model& m, const std::string& chosen) {
    const std::string name = head_name(m, chosen);
    if (name == "shared") return {};
    const eo::any_format format(m.network().output().weight().format_name());
    if (name == "adapter") return eo::adapter_head(m.exits(), format);
    return eo::own_head(m.exits(), format);
}

eo::any_session make_session(const model& m, const exit_options& chosen, const run_options& run) {
    return make_session(m, chosen, run, chosen.gate == "none" ? eo::any_head() : make_head(m, chosen.head));
}

eo::any_session make_session(const model& m, const exit_options& chosen, const run_options& run,
                             const eo::any_head& head) {
    if (chosen.prefill == "lazy" && chosen.kv != "defer") {
        eo::fail(eo::errc::invalid_argument, "--prefill lazy: expected --kv defer, found --kv ", chosen.kv);
    }
    if (chosen.defer_cap != 0 && chosen.kv != "defer") {
        eo::fail(eo::errc::invalid_argument, "--defer-cap: expected --kv defer, found --kv ", chosen.kv);
    }
    if (chosen.gate == "none" && (chosen.token_budget != 0 || chosen.time_budget > 0.0)) {
        eo::fail(eo::errc::invalid_argument,
                 "--token-budget, --time-budget: expected an --exit-gate with exits that can act on it, found none");
    }
    if (chosen.gate == "none" && chosen.kv == "propagate") return make(m, eo::full_depth(), run);

    if (chosen.shortlist == 0) return make(m, chosen, head, run);
    if (const std::string name = head_name(m, chosen.head); name != "shared") {
        eo::fail(eo::errc::invalid_argument, "--shortlist: expected --exit-head shared, found ", name);
    }
    const auto reach =
        chosen.shortlist_reach == "full-depth" ? eo::shortlist_reach::full_depth : eo::shortlist_reach::exits;
    return make(m, chosen, eo::shortlist{chosen.shortlist, eo::shared_head{}, reach}, run);
}

}  // namespace cli
