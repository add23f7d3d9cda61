// SPDX-License-Identifier: MIT
// `earlyout costs`: what the parts of a step take on this machine, and which fitted policy is the fastest there.
#include "commands.hpp"
#include "model.hpp"
#include "options.hpp"
#include "policy.hpp"
#include "report.hpp"

#include <earlyout/calibrate/costs_json.hpp>
#include <earlyout/calibrate/machine_policy.hpp>
#include <earlyout/calibrate/policy_front.hpp>
#include <earlyout/generate/measure_costs.hpp>
#include <earlyout/generate/step_costs.hpp>
#include <earlyout/io/sidecar.hpp>

#include <cstddef>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace cli {

namespace {

namespace calibrate = eo::calibrate;

struct costs_options {
    model_options model;
    weight_options weights;
    run_options run;
    double seconds = 1.0;
    double max_loss = -1.0;  ///< below 0: what the fit aimed at
    bool store = false;
    bool json = false;
    bool quiet = false;
};

void print_costs(std::ostream& to, const eo::step_costs& c, const eo::model_shape& shape) {
    to << "One step at full depth on " << (c.measured_on.processor.empty() ? "this machine" : c.measured_on.processor)
       << ", " << c.measured_on.threads << (c.measured_on.threads == 1 ? " thread, " : " threads, ")
       << c.measured_on.weight_format << ", after " << c.position << " tokens\n";
    print_line(to, "a layer", microseconds(c.layer.front()) + ", of which there are " + std::to_string(shape.layers));
    print_line(to, "the output", microseconds(c.output.front()));
    print_line(to, "the rest", microseconds(c.token));
    print_line(to, "keys and values", microseconds(c.keys_and_values) + " of one token at a layer it skipped");
    to << "  tokens together   ";
    for (std::size_t m = 1; m <= c.layer.size(); ++m) to << std::setw(6) << m;
    to << "\n  cost of a step    " << std::fixed << std::setprecision(2);
    for (const double cost : c.blocks(shape.layers)) to << std::setw(6) << cost;
    to << "\n  gates, once evaluated, without logits\n";
    for (const auto& [name, seconds] : c.gate) print_line(to, "  " + name, microseconds(seconds));
}

void print_front(std::ostream& to, const calibrate::stored_front& front, const eo::step_costs& costs,
                 std::size_t layers) {
    to << "\nWhat fit found, with the work that it counted, at these costs\n"
       << "     speed   loss of ROUGE-L at most   policy\n";
    for (const calibrate::front_policy& p : front.policies) {
        to << std::right << std::setw(10) << fixed(speedup_of(p.work, costs, p.policy, layers), 2) << std::setw(26)
           << percent(p.loss_high) << "   " << to_string(p.policy) << '\n';
    }
}

int run(const costs_options& o) {
    const model m = load(o.model, o.weights);
    const eo::model_shape& shape = m.network().shape();
    std::optional<calibrate::stored_front> front;
    if (m.has_exits()) front = calibrate::read_front(m.exits());
    if (o.store && !front) {
        eo::fail(eo::errc::wrong_value, o.model.folder,
                 ": --store: expected exits that fit stored with a front, found none; fit them again");
    }
    const eo::step_costs costs =
        measure_step_costs(m, eo::cost_options{.session = session_options_of(o.run), .seconds = o.seconds});
    const double loss = o.max_loss >= 0.0 || !front ? o.max_loss : front->loss;
    const calibrate::front_policy* const best =
        front ? calibrate::fastest_of(front->policies, costs, shape.layers, loss) : nullptr;
    const eo::policy_spec policy = best != nullptr ? best->policy : eo::policy_spec{};
    if (o.json) {
        json object{
            {"model", o.model.folder}, {"costs", calibrate::to_json(costs)}, {"blocks", costs.blocks(shape.layers)}};
        object["front"] = json::array();
        if (front) {
            object["front"] = calibrate::to_json(std::span<const calibrate::front_policy>(front->policies));
            for (std::size_t i = 0; i < front->policies.size(); ++i) {
                const auto& p = front->policies[i];
                object["front"][i]["speedup"] = speedup_of(p.work, costs, p.policy, shape.layers);
            }
        }
        object["policy"] = to_string(policy);
        print(std::cout, object);
    } else if (!o.quiet) {
        print_costs(std::cout, costs, shape);
        if (front) print_front(std::cout, *front, costs, shape.layers);
        std::cout << '\n';
        if (front) print_line(std::cout, "chosen", to_string(policy) + ", for a loss of at most " + percent(loss));
        if (!front) print_line(std::cout, "exits", "none were fitted to this model with a front to choose from");
    }
    if (!o.store) return 0;
    const std::filesystem::path path = eo::io::sidecar_path(o.model.folder);
    eo::exit_weights exits = eo::io::read_exits(path);
    calibrate::store_costs(exits, costs, policy);
    eo::io::write_exits(path, exits);
    if (!o.json && !o.quiet) std::cout << "Stored in " << path.string() << '\n';
    return 0;
}

}  // namespace

command costs(CLI::App& app) {
    CLI::App* const sub = app.add_subcommand(
        "costs", "Measure what layers, output and gates take here, and which fitted policy is the fastest");
    const auto o = std::make_shared<costs_options>();
    add_options(*sub, o->model);
    add_cache(*sub, o->model);
    add_options(*sub, o->weights);
    add_options(*sub, o->run);
    sub->add_option("--seconds", o->seconds, "Time to measure for; two rounds at least")
        ->check(CLI::Range(0.0, 3600.0))
        ->capture_default_str();
    add_fraction(*sub, "--max-loss", o->max_loss,
                 "Share of ROUGE-L that the policy may lose; default: what the fit aimed at")
        ->default_str("");
    sub->add_flag("--store", o->store,
                  "Write costs and choice into the model's exits: a machine like this one need not measure again");
    add_json(*sub, o->json);
    add_quiet(*sub, o->quiet);
    sub->footer(
        "Examples:\n"
        "  earlyout costs --model my-model --threads 1\n"
        "  earlyout costs --model my-model --max-loss 0.03 --json\n"
        "  earlyout costs --model my-model --store");
    return {sub, [o] { return run(*o); }};
}

}  // namespace cli
