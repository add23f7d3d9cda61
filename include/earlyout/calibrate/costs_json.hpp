// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_COSTS_JSON_HPP
#define EARLYOUT_CALIBRATE_COSTS_JSON_HPP

#include <earlyout/calibrate/policy_front.hpp>
#include <earlyout/core/error.hpp>
#include <earlyout/exit/exit_weights.hpp>
#include <earlyout/generate/policy_spec.hpp>
#include <earlyout/generate/step_costs.hpp>

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// @file What exits store of the machine they were fitted on: costs, and the front from which another machine chooses.

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

using json = nlohmann::ordered_json;

namespace detail {

/// Reads members of an object that a file holds; errors name the file and the member.
class json_reader {
public:
    json_reader(const json& object, std::string where) : object_(object), where_(std::move(where)) {
        if (!object.is_object()) fail(errc::malformed_file, where_, ": expected an object, found ", object.dump());
    }
    [[nodiscard]] double number(const char* name) const { return checked_number(member(name), name); }
    [[nodiscard]] std::vector<double> numbers(const char* name) const {
        const json& list = member(name);
        if (!list.is_array() || list.empty() || list.size() > 4096) {
            fail(errc::malformed_file, where_, ": '", name, "': expected 1 to 4096 numbers, found ", list.dump());
        }
        std::vector<double> made;
        for (const json& one : list) made.push_back(checked_number(one, name));
        return made;
    }
    [[nodiscard]] std::string text(const char* name) const {
        const json& value = member(name);
        if (!value.is_string()) {
            fail(errc::malformed_file, where_, ": '", name, "': expected text, found ", value.dump());
        }
        return value.get<std::string>();
    }
    [[nodiscard]] const json& member(const char* name) const {
        const auto found = object_.find(name);
        if (found == object_.end()) fail(errc::malformed_file, where_, ": '", name, "' is missing");
        return *found;
    }
    /// Returns a number that may not be negative.
    [[nodiscard]] double checked_number(const json& value, std::string_view name) const {
        if (!value.is_number() || !std::isfinite(value.get<double>()) || value.get<double>() < 0.0) {
            fail(errc::malformed_file, where_, ": '", name, "': expected a number from 0, found ", value.dump());
        }
        return value.get<double>();
    }

private:
    const json& object_;
    std::string where_;
};

[[nodiscard]] inline std::string metadata_name(const exit_weights& exits, const char* key) {
    return exits.source() + ": '__metadata__': '" + key + "'";
}
/// Parses a metadatum; nothing where there is none.
[[nodiscard]] inline std::optional<json> metadata_json(const exit_weights& exits, const char* key) {
    const auto found = exits.metadata().find(key);
    if (found == exits.metadata().end()) return std::nullopt;
    json parsed = json::parse(found->second, nullptr, false);
    if (parsed.is_discarded()) fail(errc::malformed_file, metadata_name(exits, key), ": expected JSON");
    return parsed;
}

}  // namespace detail

[[nodiscard]] inline json to_json(const step_costs& c) {
    return {{"processor", c.measured_on.processor},
            {"instruction_set", c.measured_on.instruction_set},
            {"weight_format", c.measured_on.weight_format},
            {"threads", c.measured_on.threads},
            {"position", c.position},
            {"layer", c.layer},
            {"output", c.output},
            {"keys_and_values", c.keys_and_values},
            {"token", c.token},
            {"gates", c.gate}};
}
[[nodiscard]] inline json to_json(const step_work& w) {
    return {{"layers", w.layers},
            {"more_tokens", w.more_tokens},
            {"keys_and_values", w.keys_and_values},
            {"outputs", w.outputs},
            {"gates", w.gates}};
}
[[nodiscard]] inline json to_json(std::span<const front_policy> front) {
    json all = json::array();
    for (const front_policy& p : front) {
        all.push_back({{"policy", to_string(p.policy)},
                       {"rouge_l_loss", p.loss},
                       {"rouge_l_loss_high", p.loss_high},
                       {"work", to_json(p.work)}});
    }
    return all;
}

/// Costs, and the policy that was chosen with them.
struct stored_costs {
    step_costs costs;
    policy_spec policy;  ///< full depth where none was faster
};

namespace detail {

[[nodiscard]] inline policy_spec policy_in(const std::string& text, const std::string& where) {
    try {
        return policy_spec::parse(text);
    } catch (const error& e) {
        fail(errc::malformed_file, where, ": '", text, "': ", e.what());
    }
}

[[nodiscard]] inline stored_costs costs_from(const json& object, const std::string& where) {
    const json_reader read(object, where);
    stored_costs made;
    step_costs& costs = made.costs;
    costs.measured_on = {read.text("processor"), read.text("instruction_set"), read.text("weight_format"),
                         static_cast<std::size_t>(read.number("threads"))};
    costs.position = static_cast<std::size_t>(read.number("position"));
    costs.layer = read.numbers("layer");
    costs.output = read.numbers("output");
    costs.keys_and_values = read.number("keys_and_values");
    costs.token = read.number("token");
    const json& gates = read.member("gates");
    if (!gates.is_object()) {
        fail(errc::malformed_file, where, ": 'gates': expected an object, found ", gates.dump());
    }
    for (const auto& [name, seconds] : gates.items()) costs.gate[name] = read.checked_number(seconds, name);
    made.policy = policy_in(read.text("policy"), where);
    return made;
}

}  // namespace detail

/// Returns the costs that exits were stored with, of one machine after the other.
/// @throws error (malformed_file) naming file and member
[[nodiscard]] inline std::vector<stored_costs> read_costs(const exit_weights& exits) {
    const std::optional<json> parsed = detail::metadata_json(exits, "costs");
    if (!parsed) return {};
    const std::string where = detail::metadata_name(exits, "costs");
    if (!parsed->is_array() || parsed->size() > 256) {
        fail(errc::malformed_file, where, ": expected a list of at most 256 objects");
    }
    std::vector<stored_costs> all;
    for (const json& one : *parsed) all.push_back(detail::costs_from(one, where));
    return all;
}

/// Stores costs and the policy chosen with them, in place of any that were measured under the same conditions.
/// @throws error as read_costs()
inline void store_costs(exit_weights& into, const step_costs& costs, const policy_spec& policy) {
    std::vector<stored_costs> all = read_costs(into);
    std::erase_if(all, [&](const stored_costs& s) { return s.costs.measured_on == costs.measured_on; });
    all.push_back({costs, policy});
    json list = json::array();
    for (const stored_costs& s : all) {
        list.push_back(to_json(s.costs));
        list.back()["policy"] = to_string(s.policy);
    }
    into.set_metadata("costs", list.dump());
}

/// Stores a front.
/// @param loss that the fit aimed at
inline void store_front(exit_weights& into, std::span<const front_policy> front, double loss) {
    into.set_metadata("front", json{{"loss", loss}, {"policies", to_json(front)}}.dump());
}

/// The front that exits were stored with.
struct stored_front {
    double loss = 0.0;  ///< that their fit aimed at
    std::vector<front_policy> policies;
};

/// Returns it; nothing where there is none.
/// @throws error (malformed_file) naming file and member
[[nodiscard]] inline std::optional<stored_front> read_front(const exit_weights& exits) {
    const std::optional<json> parsed = detail::metadata_json(exits, "front");
    if (!parsed) return std::nullopt;
    const std::string where = detail::metadata_name(exits, "front");
    const detail::json_reader read(*parsed, where);
    stored_front front{.loss = read.number("loss"), .policies = {}};
    const json& policies = read.member("policies");
    if (!policies.is_array() || policies.size() > 4096) {
        fail(errc::malformed_file, where, ": 'policies': expected at most 4096 objects in a list");
    }
    for (const json& one : policies) {
        const detail::json_reader row(one, where + ": 'policies'");
        front_policy made;
        made.policy = detail::policy_in(row.text("policy"), where);
        const json& loss = row.member("rouge_l_loss");  // negative where exits score higher
        if (!loss.is_number()) fail(errc::malformed_file, where, ": 'rouge_l_loss': expected a number");
        made.loss = loss.get<double>();
        made.loss_high = row.number("rouge_l_loss_high");
        const detail::json_reader work(row.member("work"), where + ": 'work'");
        made.work = {.tokens = 1.0,
                     .layers = work.number("layers"),
                     .more_tokens = work.number("more_tokens"),
                     .keys_and_values = work.number("keys_and_values"),
                     .outputs = work.number("outputs"),
                     .gates = work.number("gates")};
        front.policies.push_back(std::move(made));
    }
    return front;
}

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
