// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_POLICY_SPEC_HPP
#define EARLYOUT_GENERATE_POLICY_SPEC_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/exit/cache_policy.hpp>
#include <earlyout/exit/catalogue.hpp>
#include <earlyout/exit/exit_head.hpp>
#include <earlyout/exit/head_catalogue.hpp>
#include <earlyout/generate/drafts/catalogue.hpp>

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// A gate of the catalogue with its parameters.
struct gate_spec {
    std::string name;
    std::vector<std::optional<float>> values;  ///< one for each of the gate's parameters; nothing: not given

    /// @throws error (invalid_argument) for a gate that the catalogue does not have
    [[nodiscard]] const gate_entry& entry() const;
    /// Returns true when no parameter is given: a fitted gate then uses its fitted ones.
    [[nodiscard]] bool is_bare() const noexcept {
        return std::ranges::none_of(values, [](const auto& v) { return v.has_value(); });
    }

    friend bool operator==(const gate_spec&, const gate_spec&) = default;
};

/// A drafter of the catalogue with its parameters.
struct drafter_spec {
    std::string name;
    std::vector<std::optional<float>> values;  ///< one for each of the drafter's parameters; nothing: its default

    /// @throws error (invalid_argument) for a drafter that the catalogue does not have
    [[nodiscard]] const drafter_entry& entry() const;

    friend bool operator==(const drafter_spec&, const drafter_spec&) = default;
};

/// The drafters of a policy.
struct drafts_spec {
    bool is_auto = false;                ///< those that suit the policy and the model
    std::vector<drafter_spec> drafters;  ///< the best of these; empty: none

    /// Parses DRAFTS of policy_spec. @throws error (invalid_argument) naming the invalid part
    [[nodiscard]] static drafts_spec parse(std::string_view text);

    [[nodiscard]] bool is_none() const noexcept { return !is_auto && drafters.empty(); }

    friend bool operator==(const drafts_spec&, const drafts_spec&) = default;
};

/// An exit policy as text and as data: the form in which command, sidecar and server specify one.
///
///     learn-to-exit(0.6) & margin(0.2) @ 2,4-6; head=shortlist(32); cache=defer(cap=8)
///
///     POLICY := full-depth | fitted | GATES [@ LAYERS] {; SETTING}
///     GATES  := CHAIN {| CHAIN}            the first that does not continue decides; a spent budget before any
///     CHAIN  := GATE {& GATE}              each is evaluated where the one before it decides exit
///     GATE   := NAME [(ARGUMENT {, ARGUMENT})]    the catalogue's: VALUE in the order of its parameters, or NAME=VALUE
///     LAYERS := N | N-M {, N | N-M}        default: those that a fitted gate was fitted for, else 1/4, 1/2, 3/4
///     SETTING := head=HEAD | cache=CACHE | draft=DRAFTS | experts=N
///     HEAD   := auto | shared | adapter | own | shortlist(N [, head=HEAD] [, reach=exits|full-depth])
///     CACHE  := propagate | omit | defer [([cap=N] [, prefill=eager|lazy])]
///     DRAFTS := none | auto | DRAFTER {| DRAFTER}     the best of these, for each token
///     DRAFTER := NAME [(ARGUMENT {, ARGUMENT})]       the catalogue's
///
/// With drafts, every token is verified at full depth, so that the text is the full model's: `depth` drafts at the
/// policy's exits. A fitted gate without arguments uses those that fit chose, and the check chosen with them. `fitted`
/// is the best policy that fit chose. `experts` is how many a token chooses in each mixture, in place of the model's
/// own number. Spaces are ignored.
struct policy_spec {
    std::vector<std::vector<gate_spec>> gates;  ///< alternatives, each a chain; empty: full depth
    bool is_fitted = false;                     ///< `fitted`: the policy that the model's exits name
    std::vector<std::size_t> layers;            ///< increasing, from 1; empty: default
    std::string head = "auto";
    shortlist_use shortlist;
    std::string cache = "propagate";
    std::size_t cap = 0;  ///< of defer: max deferred tokens; 0: any number
    earlyout::prefill prefill = prefill::eager;
    drafts_spec drafts{};
    std::size_t active_experts = 0;  ///< of mixtures; 0: the model's own number

    /// @throws error (invalid_argument) naming the invalid part
    [[nodiscard]] static policy_spec parse(std::string_view text);

    [[nodiscard]] bool is_full_depth() const noexcept { return gates.empty() && !is_fitted; }
    /// Returns the policy's main gate: the first that is not a budget; nullptr at full depth.
    [[nodiscard]] const gate_spec* main_gate() const noexcept {
        for (const auto& chain : gates) {
            for (const gate_spec& gate : chain) {
                if (gate.name != token_budget::info.name && gate.name != time_budget::info.name) return &gate;
            }
        }
        return nullptr;
    }
    [[nodiscard]] gate_spec* main_gate() noexcept {
        return const_cast<gate_spec*>(static_cast<const policy_spec&>(*this).main_gate());
    }

    friend bool operator==(const policy_spec& a, const policy_spec& b) {
        return a.gates == b.gates && a.is_fitted == b.is_fitted && a.layers == b.layers && a.head == b.head &&
               a.shortlist.tokens == b.shortlist.tokens && a.shortlist.reach == b.shortlist.reach &&
               a.cache == b.cache && a.cap == b.cap && a.prefill == b.prefill && a.drafts == b.drafts &&
               a.active_experts == b.active_experts;
    }
};

/// Refuses values that a gate does not accept.
/// @throws error (invalid_argument) naming the parameter
void check_gate_spec(const gate_spec& gate);

/// Returns the gate with these values for its first parameters.
/// @throws error (invalid_argument) for a gate that the catalogue does not have, or a value that it does not accept
[[nodiscard]] gate_spec make_gate_spec(std::string_view name, std::initializer_list<float> values = {});

/// Returns the text that drafts_spec::parse() parses as the same drafts.
[[nodiscard]] std::string to_string(const drafts_spec& drafts);
/// Returns the text that policy_spec::parse() parses as the same policy.
[[nodiscard]] std::string to_string(const policy_spec& policy);

}}  // namespace earlyout::EARLYOUT_ABI

#include <earlyout/generate/detail/policy_parser.hpp>
#include <earlyout/generate/detail/policy_text.hpp>

#endif
