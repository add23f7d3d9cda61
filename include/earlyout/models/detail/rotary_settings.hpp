// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_DETAIL_ROTARY_SETTINGS_HPP
#define EARLYOUT_MODELS_DETAIL_ROTARY_SETTINGS_HPP

#include <earlyout/models/detail/checkpoint_reader.hpp>
#include <earlyout/nn/rotary.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

/// A configuration's rotary settings. io/README.md, "Where settings come from", states the rule.
struct rotary_settings {
    std::string type = "default";  ///< default, linear or llama3
    double theta = 10000.0;
    llama3_scaling scaling{.factor = 1.0};  ///< linear: its factor alone

    [[nodiscard]] std::vector<double> frequencies(std::size_t dim) const {
        std::vector<double> made = rotary_frequencies(dim, theta);
        if (type == "llama3") scaling(made);
        if (type == "linear") {
            for (double& frequency : made) frequency /= scaling.factor;
        }
        return made;
    }
};

/// Collects the rotary settings of one layer from every place where a config.json may have them: `rope_parameters`,
/// else `rope_scaling`, else the top level.
class rotary_settings_reader {
public:
    /// @param layer_type selects one of the objects by layer type, if they are given that way: "full_attention"
    rotary_settings_reader(const checkpoint_reader& from, std::size_t context, std::string_view layer_type)
        : from_(from), context_(context), layer_type_(layer_type) {}

    /// @throws error (unsupported) for an unknown scaling, and for places that contradict each other
    [[nodiscard]] rotary_settings read() const {
        require_whole_heads("");
        const std::optional<place> parameters = find("rope_parameters");
        const std::optional<place> scaling = find("rope_scaling");
        if (parameters && scaling) require_agreement(*parameters, *scaling);
        if (parameters) return parameters->settings;
        if (scaling) return scaling->settings;
        return {.theta = theta_at("").value_or(rotary_settings().theta)};
    }

private:
    /// An object of rotary parameters.
    struct place {
        std::string at;  ///< "rope_scaling."
        rotary_settings settings;
        bool has_theta = false;
    };

    template <class... What>
    [[noreturn]] void unsupported(const What&... what) const {
        fail(errc::unsupported, from_.source(), ": ", what...);
    }

    [[nodiscard]] std::optional<place> find(const std::string& name) const {
        const auto members = from_.members(name);
        // Not an object: absent, null, or a value that text() refuses.
        if (!members && from_.text(name)) unsupported("'", name, "': expected an object");
        const std::string at = object_of_layer(name, members.value_or(std::vector<std::string>()));
        place found{.at = at, .settings = {}, .has_theta = false};
        require_whole_heads(at);
        const std::optional<double> theta = theta_at(at);
        const std::optional<std::string> type = type_at(at);
        if (!theta && !type) {
            if (from_.real(at + "factor")) unsupported("'", at, "rope_type' is missing, though a 'factor' is there");
            return std::nullopt;
        }
        found.has_theta = theta.has_value();
        found.settings.theta = theta ? *theta : theta_at("").value_or(found.settings.theta);
        found.settings.type = type.value_or("default");
        read_scaling(at, found.settings);
        return found;
    }

    /// Returns "NAME.", or "NAME.full_attention." if the object has one object for each layer type.
    [[nodiscard]] std::string object_of_layer(const std::string& name, const std::vector<std::string>& members) const {
        std::string at = name + ".";
        std::string types;
        bool has_own = false;
        for (const std::string& member : members) {
            if (!from_.members(at + member)) continue;
            types.append(types.empty() ? "" : ", ").append(member);
            has_own = has_own || member == layer_type_;
        }
        if (types.empty()) return at;
        if (type_at(at) || theta_at(at)) {
            unsupported("'", name, "': expected values for all layers or objects by layer type (", types,
                        "), found both");
        }
        if (!has_own) {
            unsupported("'", name, "': expected an object for layers of type ", layer_type_, ", found ", types);
        }
        return at.append(layer_type_).append(".");
    }

    [[nodiscard]] std::optional<double> theta_at(const std::string& at) const {
        if (!from_.real(at + "rope_theta")) return std::nullopt;
        return from_.real(at + "rope_theta", 1.0, largest);
    }
    /// Returns `rope_type`, or `type` as in older files.
    [[nodiscard]] std::optional<std::string> type_at(const std::string& at) const {
        const auto type = from_.text(at + "rope_type");
        const auto old = from_.text(at + "type");
        if (type && old && *type != *old) {
            unsupported("'", at, "rope_type': expected the same as 'type', '", *old, "', found '", *type, "'");
        }
        if (!type && !old) return std::nullopt;
        return from_.text(at + (type ? "rope_type" : "type"), {"default", "linear", "llama3"}, "");
    }

    void read_scaling(const std::string& at, rotary_settings& into) const {
        if (into.type == "default") return;
        into.scaling.factor = required(at + "factor");
        if (into.type == "linear") return;
        into.scaling.low_frequency_factor = required(at + "low_freq_factor");
        into.scaling.high_frequency_factor = required(at + "high_freq_factor");
        if (into.scaling.high_frequency_factor <= into.scaling.low_frequency_factor) {
            fail(errc::wrong_value, from_.source(), ": '", at, "high_freq_factor': expected more than ",
                 into.scaling.low_frequency_factor, ", found ", into.scaling.high_frequency_factor);
        }
        into.scaling.original_context = original_context(at);
    }
    /// Returns the value of the object or of the top level; without either, the model's context.
    [[nodiscard]] double original_context(const std::string& at) const {
        const std::string key = "original_max_position_embeddings";
        const auto own = from_.real(at + key);
        const auto outer = from_.real(key);
        if (own && outer && *own != *outer) {
            unsupported("'", at, key, "': expected the same as '", key, "' at the top level, ", *outer, ", found ",
                        *own);
        }
        if (!own && !outer) return static_cast<double>(context_);
        return from_.real(own ? at + key : key, 0.0, largest);
    }
    /// Returns a scaling parameter that has no default.
    [[nodiscard]] double required(const std::string& key) const {
        if (!from_.real(key)) fail(errc::malformed_file, from_.source(), ": '", key, "' is missing");
        return from_.real(key, 0.0, largest);
    }
    void require_whole_heads(const std::string& at) const {
        const std::string key = at + "partial_rotary_factor";
        if (const double found = from_.real(key, 1.0, 2.0); found != 1.0) {
            unsupported("'", key, "': expected 1, found ", found);
        }
    }

    /// `rope_parameters` takes precedence; settings in `rope_scaling` must agree with it.
    void require_agreement(const place& parameters, const place& scaling) const {
        const rotary_settings& a = parameters.settings;
        const rotary_settings& b = scaling.settings;
        const auto require = [&](const char* key, const auto& expected, const auto& found) {
            if (expected == found) return;
            unsupported("'", scaling.at, key, "': expected the same as '", parameters.at, key, "', ", expected,
                        ", found ", found);
        };
        if (scaling.has_theta) require("rope_theta", a.theta, b.theta);
        if (b.type == "default") return;  // nothing to check
        require("rope_type", a.type, b.type);
        require("factor", a.scaling.factor, b.scaling.factor);
        if (b.type != "llama3") return;
        require("low_freq_factor", a.scaling.low_frequency_factor, b.scaling.low_frequency_factor);
        require("high_freq_factor", a.scaling.high_frequency_factor, b.scaling.high_frequency_factor);
        require("original_max_position_embeddings", a.scaling.original_context, b.scaling.original_context);
    }

    static constexpr double largest = 1e12;

    const checkpoint_reader& from_;
    std::size_t context_;
    std::string_view layer_type_;
};

}  // namespace detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
