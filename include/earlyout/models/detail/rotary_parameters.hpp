// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_DETAIL_ROTARY_PARAMETERS_HPP
#define EARLYOUT_MODELS_DETAIL_ROTARY_PARAMETERS_HPP

#include <earlyout/nn/rotary.hpp>
#include <earlyout/nn/rotary_scaling.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

/// What an architecture has where a configuration lacks a key.
struct rotary_defaults {
    double theta = 10000.0;
    std::string_view theta_key = "rope_theta";  ///< at the top level
    std::optional<double> part = {};            ///< of a head that is rotated; none: always the whole
    std::string_view part_key = "partial_rotary_factor";
    bool longrope = false;                  ///< has LongRoPE's scaling alone, for which `yarn` and `su` are older names
    double original_context = 0;            ///< 0: the model's
    std::optional<yarn_scaling> yarn = {};  ///< where no scaling is given
};

/// A configuration's rotary settings. io/README.md, "Where settings come from", states the rule.
struct rotary_settings {
    std::string type = "default";  ///< default, linear, dynamic, llama3, yarn or longrope
    double theta = 10000.0;
    double part = 1.0;                      ///< of a head that is rotated
    llama3_scaling scaling{.factor = 1.0};  ///< linear, dynamic: its factor alone
    yarn_scaling yarn = {};
    std::vector<double> divisors = {};  ///< longrope: of the frequencies, up to the original context
    double magnitude = 1.0;             ///< factor on rotated queries and keys
    std::size_t limit = 0;              ///< longrope: positions for which these divisors hold

    /// Returns the elements of a head that are rotated.
    [[nodiscard]] std::size_t rotated(std::size_t head_dim) const noexcept {
        return static_cast<std::size_t>(static_cast<double>(head_dim) * part);
    }
    [[nodiscard]] std::vector<double> frequencies(std::size_t head_dim) const {
        const std::size_t dim = rotated(head_dim);
        std::vector<double> made = rotary_frequencies(dim, theta);
        if (type == "llama3") scaling(made);
        if (type == "yarn") yarn(made, dim, theta);
        if (type == "linear") {
            for (double& frequency : made) frequency /= scaling.factor;
        }
        for (std::size_t i = 0; i < divisors.size() && i < made.size(); ++i) made[i] /= divisors[i];
        return made;
    }
};

}  // namespace detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
