// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAFTS_DRAFTER_HPP
#define EARLYOUT_GENERATE_DRAFTS_DRAFTER_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/generate/drafts/draft.hpp>
#include <earlyout/generate/drafts/draft_context.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// The sizes that a drafter allocates for.
struct draft_limits {
    std::size_t tokens = 0;  ///< max tokens of a sequence
    std::size_t vocab = 0;   ///< token ids are 0 .. vocab - 1
};

/// Result of verifying a draft.
struct draft_outcome {
    const draft& proposed;  ///< as far as it was verified
    std::size_t accepted;   ///< its first tokens that the model produced
};

/// The state of a drafter that keeps none.
struct no_draft_state {};

namespace detail {

template <class D>
struct drafter_state {
    using type = no_draft_state;
};
template <class D>
    requires requires { typename D::state; }
struct drafter_state<D> {
    using type = typename D::state;
};

}  // namespace detail

/// A drafter's state for one sequence.
template <class D>
using drafter_state_of = typename detail::drafter_state<D>::type;

namespace detail {

template <class D>
inline constexpr bool keeps_draft_state = !std::is_same_v<drafter_state_of<D>, no_draft_state>;

/// True when a drafter proposes from the ids and these.
template <class D, class... Further>
concept proposes_from = requires(const D& d, std::span<const token_id> ids, Further&... further, draft& out) {
    { d.propose(ids, further..., out) } -> std::same_as<void>;
};
template <class D>
concept proposes_with_state =
    proposes_from<D, drafter_state_of<D>> || proposes_from<D, drafter_state_of<D>, draft_context>;
template <class D>
concept proposes_without_state = proposes_from<D> || proposes_from<D, draft_context>;
template <class D>
concept follows_sequence =
    requires(const D& d, std::span<const token_id> ids, std::size_t size, drafter_state_of<D>& state) {
        { d.append(ids, state) } -> std::same_as<void>;
        { d.rollback(size, state) } -> std::same_as<void>;
    };

}  // namespace detail

/// Proposes tokens to follow a sequence. A wrong proposal costs time, never correctness. A drafter is a small immutable
/// value; what changes belongs to its state, of which each sequence has one:
///
///     struct repeat {  // drafts that the last token is repeated once
///         void propose(std::span<const earlyout::token_id> ids, earlyout::draft& out) const {
///             out.push(ids.back(), 0.1f);
///         }
///     };
///
/// `ids` are the tokens so far, at least one. With `struct state`, which is then the parameter before `out`, it also
/// has
///
///     void append(std::span<const token_id> ids, state&) const;   // the sequence continues with these
///     void rollback(std::size_t size, state&) const;              // only its first `size` tokens remain
///
/// A drafter that compares drafts, or drafts at the policy's exits, takes a `draft_context&` before `out`; the latter
/// also declares `static constexpr bool uses_exits = true`. Optional members:
///
///     state start(const draft_limits&) const;             // allocates all that a sequence needs; else state{}
///     void learn(const draft_outcome&, state&) const;     // what became of a proposal
///     static constexpr std::string_view name = "repeat";  // in statistics
///
/// None of these but start() may allocate or throw. The default implementation is suffix_drafts.
template <class D>
concept drafter = std::copyable<D> && std::movable<drafter_state_of<D>> &&
                  (detail::keeps_draft_state<D> ? detail::proposes_with_state<D> && detail::follows_sequence<D>
                                                : detail::proposes_without_state<D>);

/// Explains, in one sentence each, why a type is not a drafter. Used where a drafter is accepted, since a failed
/// concept alone produces a page of notes.
template <class D>
consteval void explain_drafter() {
    static_assert(std::copyable<D>, "earlyout: a drafter is a copyable value; what changes belongs to its state");
    static_assert(std::movable<drafter_state_of<D>>, "earlyout: a drafter's state is movable, as its sequence is");
    if constexpr (detail::keeps_draft_state<D>) {
        static_assert(detail::proposes_with_state<D>,
                      "earlyout: a drafter that declares state has `void propose(std::span<const earlyout::token_id> "
                      "ids, state&, earlyout::draft& out) const`");
        static_assert(detail::follows_sequence<D>,
                      "earlyout: a drafter that declares state has `void append(std::span<const earlyout::token_id> "
                      "ids, state&) const` and `void rollback(std::size_t size, state&) const`, so that its state "
                      "follows the sequence");
    } else {
        static_assert(detail::proposes_without_state<D>,
                      "earlyout: a drafter has `void propose(std::span<const earlyout::token_id> ids, earlyout::draft& "
                      "out) const`");
    }
}

/// Makes a drafter's state for a sequence.
template <drafter D>
[[nodiscard]] drafter_state_of<D> start_drafts(const D& d, const draft_limits& limits) {
    if constexpr (requires { d.start(limits); }) {
        return d.start(limits);
    } else {
        return {};
    }
}
/// Proposes tokens to follow `ids`, at least one. out: emptied first
template <drafter D>
void propose(const D& d, std::span<const token_id> ids, drafter_state_of<D>& state, draft_context& context,
             draft& out) {
    out.clear();
    if constexpr (detail::proposes_from<D, drafter_state_of<D>, draft_context>) {
        d.propose(ids, state, context, out);
    } else if constexpr (detail::proposes_from<D, draft_context>) {
        d.propose(ids, context, out);
    } else if constexpr (detail::keeps_draft_state<D>) {
        d.propose(ids, state, out);
    } else {
        d.propose(ids, out);
    }
}
/// Returns true for a drafter that never proposes anything.
template <drafter D>
[[nodiscard]] bool proposes_nothing(const D& d) noexcept {
    if constexpr (requires { d.proposes_nothing(); }) {
        return d.proposes_nothing();
    } else {
        return false;
    }
}
/// Returns true for a drafter that drafts at the policy's exits.
template <drafter D>
[[nodiscard]] bool uses_exits(const D& d) noexcept {
    if constexpr (requires { d.run_time_uses_exits(); }) {
        return d.run_time_uses_exits();
    } else if constexpr (requires { D::uses_exits; }) {
        return D::uses_exits;
    } else {
        return false;
    }
}
/// Tells a drafter that the sequence continues with these tokens.
template <drafter D>
void append_to_drafts(const D& d, std::span<const token_id> ids, drafter_state_of<D>& state) {
    if constexpr (detail::keeps_draft_state<D>) d.append(ids, state);
}
/// Tells a drafter that only the first `size` tokens remain.
template <drafter D>
void rollback_drafts(const D& d, std::size_t size, drafter_state_of<D>& state) {
    if constexpr (detail::keeps_draft_state<D>) d.rollback(size, state);
}
/// Tells a drafter what became of its proposal.
template <drafter D>
void learn_from(const D& d, const draft_outcome& outcome, drafter_state_of<D>& state) {
    if constexpr (requires { d.learn(outcome, state); }) d.learn(outcome, state);
}

/// Returns how many drafters a drafter consists of.
template <drafter D>
[[nodiscard]] std::size_t drafter_count(const D& d) noexcept {
    if constexpr (requires { d.count(); }) {
        return d.count();
    } else {
        return 1;
    }
}
/// Returns the names of the drafters that a drafter consists of, in the order of draft::origin().
template <drafter D>
[[nodiscard]] std::vector<std::string_view> drafter_names(const D& d) {
    if constexpr (requires { d.names(); }) {
        return d.names();
    } else if constexpr (requires { std::string_view(D::name); }) {
        return {D::name};
    } else {
        return {"drafts"};
    }
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
