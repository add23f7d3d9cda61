// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_DETAIL_ROTARY_SETTINGS_HPP
#define EARLYOUT_MODELS_DETAIL_ROTARY_SETTINGS_HPP

#include <earlyout/models/detail/checkpoint_reader.hpp>
#include <earlyout/models/detail/rotary_parameters.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

/// Collects the rotary settings of one layer from every place where a config.json may have them: `rope_parameters`,
/// else `rope_scaling`, else the top level.
class rotary_settings_reader {
public:
    /// @param layer_type selects one of the objects by layer type, if they are given that way: "full_attention"
    rotary_settings_reader(const checkpoint_reader& from, const model_shape& s, std::string_view layer_type,
                           const rotary_defaults& defaults = {})
        : from_(from), shape_(s), layer_type_(layer_type), defaults_(defaults) {}

    /// @throws error (unsupported) for an unknown scaling, and for places that contradict each other
    [[nodiscard]] rotary_settings read() const {
        rotary_settings found = find_settings();
        if (const std::size_t dim = found.rotated(shape_.head_dim); dim % 2 != 0) {
            fail(errc::unsupported, from_.source(), ": '", defaults_.part_key,
                 "': expected an even number of rotated elements, found ", dim, " of ", shape_.head_dim);
        }
        return found;
    }

private:
    /// An object of rotary parameters.
    struct place {
        std::string at;  ///< "rope_scaling."
        rotary_settings settings;
        bool has_theta = false;
    };

    [[nodiscard]] rotary_settings find_settings() const {
        const std::optional<place> parameters = find("rope_parameters");
        const std::optional<place> scaling = find("rope_scaling");
        if (parameters && scaling) require_agreement(*parameters, *scaling);
        if (parameters) return parameters->settings;
        if (scaling) return scaling->settings;
        rotary_settings made{.theta = outer_theta(), .part = part_at("")};
        if (defaults_.yarn) {
            made.type = "yarn";
            made.yarn = *defaults_.yarn;
            made.magnitude = made.yarn.magnitude();
        }
        return made;
    }

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
        found.settings.part = part_at(at);
        const std::optional<double> theta = theta_at(at);
        const std::optional<std::string> type = type_at(at);
        if (!theta && !type && !from_.real(at + "partial_rotary_factor")) {
            if (from_.real(at + "factor")) unsupported("'", at, "rope_type' is missing, though a 'factor' is there");
            return std::nullopt;
        }
        found.has_theta = theta.has_value();
        found.settings.theta = theta ? *theta : outer_theta();
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
            const bool list = member == "short_factor" || member == "long_factor";
            if (list || !from_.members(at + member)) continue;
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

    /// Returns the key of a setting at the top level: the architecture's own name, or the usual one. With both, their
    /// values must agree.
    [[nodiscard]] std::string outer_key(std::string_view own, std::string_view usual) const {
        const auto a = from_.real(own), b = from_.real(usual);
        if (a && b && *a != *b) unsupported("'", usual, "': expected the same as '", own, "', ", *a, ", found ", *b);
        return std::string(a || !b ? own : usual);
    }
    [[nodiscard]] double outer_theta() const {
        const std::string key = outer_key(defaults_.theta_key, "rope_theta");
        return from_.real(key) ? from_.real(key, 1.0, largest) : defaults_.theta;
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
        const std::string key = at + (type ? "rope_type" : "type");
        if (!defaults_.longrope) return from_.text(key, {"default", "linear", "dynamic", "llama3", "yarn"}, "");
        return from_.text(key, {"default", "longrope", "su", "yarn"}, "") == "default" ? "default" : "longrope";
    }

    void read_scaling(const std::string& at, rotary_settings& into) const {
        if (into.type == "default") return;
        if (into.type == "longrope") return read_longrope(at, into);
        if (into.type == "yarn") return read_yarn(at, into);
        into.scaling.factor = required(at + "factor");
        // Dynamic scaling begins where the text is longer than the context.
        if (into.type == "dynamic" && from_.real(at + "alpha")) {
            unsupported("'", at, "alpha': expected 'factor' alone, found ", *from_.real(at + "alpha"));
        }
        if (into.type != "llama3") return;
        into.scaling.low_frequency_factor = required(at + "low_freq_factor");
        into.scaling.high_frequency_factor = required(at + "high_freq_factor");
        if (into.scaling.high_frequency_factor <= into.scaling.low_frequency_factor) {
            fail(errc::wrong_value, from_.source(), ": '", at, "high_freq_factor': expected more than ",
                 into.scaling.low_frequency_factor, ", found ", into.scaling.high_frequency_factor);
        }
        into.scaling.original_context = original_context(at);
    }
    void read_yarn(const std::string& at, rotary_settings& into) const {
        yarn_scaling& yarn = into.yarn;
        yarn.original_context = original_context(at);
        yarn.factor = from_.is_null(at + "factor") ? context() / yarn.original_context : required(at + "factor");
        const auto or_default = [&](const char* key, double otherwise) {  // 0: the default
            const double found = from_.real(at + key).value_or(0.0);
            return found == 0.0 ? otherwise : from_.real(at + key, otherwise, largest);
        };
        yarn.beta_fast = or_default("beta_fast", 32.0);
        yarn.beta_slow = or_default("beta_slow", 1.0);
        if (yarn.beta_fast < yarn.beta_slow) {
            fail(errc::wrong_value, from_.source(), ": '", at, "beta_fast': expected at least ", yarn.beta_slow,
                 ", found ", yarn.beta_fast);
        }
        yarn.truncate = from_.boolean(at + "truncate", true);
        const double some = or_default("mscale", 0.0), all = or_default("mscale_all_dim", 0.0);
        const double own = some != 0.0 && all != 0.0 ? yarn.magnitude(some) / yarn.magnitude(all) : yarn.magnitude();
        into.magnitude = from_.real(at + "attention_factor", own, largest);
    }
    /// LongRoPE's factors for texts beyond the original context change those of all positions; the model's context ends
    /// there, as phi3_architecture has it.
    void read_longrope(const std::string& at, rotary_settings& into) const {
        const double original = original_context(at);
        if (!(original > 1.0)) {
            fail(errc::wrong_value, from_.source(),
                 ": 'original_max_position_embeddings': expected more than 1, found ", original);
        }
        into.limit = static_cast<std::size_t>(original);
        const double factor = from_.real(at + "factor", context() / original, largest);
        into.magnitude = from_.real(at + "attention_factor", longrope_magnitude(factor, original), largest);
        const std::size_t planes = into.rotated(shape_.head_dim) / 2;
        if (from_.has("rope_factors_short.weight")) {  // in a GGUF file
            const std::vector<float> divisors = from_.positive_tensor("rope_factors_short.weight", {planes});
            into.divisors.assign(divisors.begin(), divisors.end());
            return;
        }
        const std::string key = at + "short_factor.";
        while (from_.real(key + std::to_string(into.divisors.size()))) {
            into.divisors.push_back(from_.real(key + std::to_string(into.divisors.size()), 1.0, largest));
        }
        if (into.divisors.size() != planes) {
            fail(errc::wrong_value, from_.source(), ": '", at, "short_factor': expected ", planes, " numbers, found ",
                 into.divisors.size());
        }
    }
    /// Returns `max_position_embeddings`, of which the model may use less.
    [[nodiscard]] double context() const {
        return static_cast<double>(from_.optional_size("max_position_embeddings").value_or(shape_.context));
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
        if (!own && !outer) return defaults_.original_context == 0 ? context() : defaults_.original_context;
        return from_.real(own ? at + key : key, 0.0, largest);
    }
    /// Returns a scaling parameter that has no default.
    [[nodiscard]] double required(const std::string& key) const {
        if (!from_.real(key)) fail(errc::malformed_file, from_.source(), ": '", key, "' is missing");
        return from_.real(key, 0.0, largest);
    }
    /// Returns the part of a head that is rotated: as the object has it, or else the top level.
    [[nodiscard]] double part_at(const std::string& at) const {
        const std::string inner = at + "partial_rotary_factor";
        const std::string outer = outer_key(defaults_.part_key, "partial_rotary_factor");
        const std::string& key = !at.empty() && from_.real(inner) ? inner : outer;
        const double found = from_.real(key, defaults_.part.value_or(1.0), 2.0);
        if (found > 1.0 || (!defaults_.part && found != 1.0)) {
            unsupported("'", key, "': expected ", defaults_.part ? "at most 1" : "1", ", found ", found);
        }
        return found;
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
        require("partial_rotary_factor", a.part, b.part);
        require("factor", a.scaling.factor, b.scaling.factor);
        if (b.type == "yarn" || b.type == "longrope") {
            require("attention_factor", a.magnitude, b.magnitude);
            if (a.frequencies(shape_.head_dim) == b.frequencies(shape_.head_dim)) return;
            unsupported("'", scaling.at, "': expected the same frequencies as '", parameters.at, "' gives");
        }
        if (b.type != "llama3") return;
        require("low_freq_factor", a.scaling.low_frequency_factor, b.scaling.low_frequency_factor);
        require("high_freq_factor", a.scaling.high_frequency_factor, b.scaling.high_frequency_factor);
        require("original_max_position_embeddings", a.scaling.original_context, b.scaling.original_context);
    }

    static constexpr double largest = 1e12;

    const checkpoint_reader& from_;
    const model_shape& shape_;
    std::string_view layer_type_;
    rotary_defaults defaults_;
};

}  // namespace detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
