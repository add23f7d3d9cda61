// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAFTS_CATALOGUE_HPP
#define EARLYOUT_GENERATE_DRAFTS_CATALOGUE_HPP

/// @file The drafters that this library knows by name, from which command, policy and server choose.

#include <earlyout/exit/gate_info.hpp>
#include <earlyout/generate/drafts/any_drafter.hpp>
#include <earlyout/generate/drafts/depth_drafts.hpp>
#include <earlyout/generate/drafts/drafter_info.hpp>
#include <earlyout/generate/drafts/hashed_drafts.hpp>
#include <earlyout/generate/drafts/recycled_drafts.hpp>
#include <earlyout/generate/drafts/suffix_drafts.hpp>

#include <algorithm>
#include <span>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// A drafter with a name.
struct drafter_entry {
    drafter_info info;
    bool uses_exits = false;
    /// Makes a drafter. values: one for each of info.parameters
    any_drafter (*make)(std::span<const float> values) = nullptr;
};

/// Returns the entry of a drafter: a type with `info` and a static `from(values)`.
template <drafter D>
[[nodiscard]] constexpr drafter_entry drafter_entry_of() noexcept {
    drafter_entry made{.info = D::info,
                       .make = [](std::span<const float> values) -> any_drafter { return D::from(values); }};
    if constexpr (requires { D::uses_exits; }) made.uses_exits = D::uses_exits;
    return made;
}

/// A list of drafter types.
template <class... Drafters>
struct drafter_list {};

/// Every drafter that has a name. A new one takes one line here.
using named_drafters = drafter_list<suffix_drafts, hashed_drafts, recycled_drafts, depth_drafts>;

namespace detail {

template <class List>
inline constexpr bool drafter_entries = false;
template <class... Drafters>
inline constexpr drafter_entry drafter_entries<drafter_list<Drafters...>>[] { drafter_entry_of<Drafters>()... };

}  // namespace detail

/// Returns the entries of the named drafters.
[[nodiscard]] constexpr std::span<const drafter_entry> drafter_catalogue() noexcept {
    return detail::drafter_entries<named_drafters>;
}
/// Returns a drafter's entry; nullptr if there is none of this name.
[[nodiscard]] constexpr const drafter_entry* find_drafter(std::string_view name) noexcept {
    const auto all = drafter_catalogue();
    const auto found =
        std::ranges::find_if(all, [name](const drafter_entry& entry) { return entry.info.name == name; });
    return found == all.end() ? nullptr : &*found;
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
