// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAFTS_ANY_DRAFTER_HPP
#define EARLYOUT_GENERATE_DRAFTS_ANY_DRAFTER_HPP

#include <earlyout/generate/drafts/drafter.hpp>
#include <earlyout/generate/drafts/no_drafts.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// A drafter chosen at run time. Costs one indirect call per proposal more than the drafter it holds.
class any_drafter {
    struct state_interface {
        virtual ~state_interface() = default;
    };
    template <class D>
    struct state_holder final : state_interface {
        explicit state_holder(drafter_state_of<D> made) : held(std::move(made)) {}
        drafter_state_of<D> held;
    };

public:
    /// The held drafter's state.
    class state {
    public:
        state() = default;

    private:
        friend any_drafter;
        explicit state(std::unique_ptr<state_interface> held) noexcept : held_(std::move(held)) {}
        std::unique_ptr<state_interface> held_;
    };

    /// Holds no_drafts.
    any_drafter() : any_drafter(no_drafts{}) {}
    /// Holds a copy of the drafter.
    template <class D>
        requires(!std::is_same_v<std::remove_cvref_t<D>, any_drafter>)
    // NOLINTNEXTLINE(google-explicit-constructor): implicit conversion is intended
    any_drafter(D held) : held_(std::make_shared<const holder<D>>(std::move(held))) {
        explain_drafter<D>();
    }

    [[nodiscard]] state start(const draft_limits& limits) const { return state(held_->start(limits)); }
    void append(std::span<const token_id> ids, state& s) const { held_->append(ids, *s.held_); }
    void rollback(std::size_t size, state& s) const { held_->rollback(size, *s.held_); }
    void propose(std::span<const token_id> ids, state& s, draft_context& context, draft& out) const {
        held_->propose(ids, *s.held_, context, out);
    }
    void learn(const draft_outcome& outcome, state& s) const { held_->learn(outcome, *s.held_); }

    [[nodiscard]] std::size_t count() const noexcept { return held_->count(); }
    [[nodiscard]] std::vector<std::string_view> names() const { return held_->names(); }
    [[nodiscard]] bool run_time_uses_exits() const noexcept { return held_->uses_exits(); }
    [[nodiscard]] bool proposes_nothing() const noexcept { return held_->proposes_nothing(); }

private:
    struct interface {
        virtual ~interface() = default;
        [[nodiscard]] virtual std::unique_ptr<state_interface> start(const draft_limits& limits) const = 0;
        virtual void append(std::span<const token_id> ids, state_interface& s) const = 0;
        virtual void rollback(std::size_t size, state_interface& s) const = 0;
        virtual void propose(std::span<const token_id> ids, state_interface& s, draft_context& context,
                             draft& out) const = 0;
        virtual void learn(const draft_outcome& outcome, state_interface& s) const = 0;
        [[nodiscard]] virtual std::size_t count() const noexcept = 0;
        [[nodiscard]] virtual std::vector<std::string_view> names() const = 0;
        [[nodiscard]] virtual bool uses_exits() const noexcept = 0;
        [[nodiscard]] virtual bool proposes_nothing() const noexcept = 0;
    };

    template <class D>
    struct holder final : interface {
        explicit holder(D made) : held(std::move(made)) {}
        static drafter_state_of<D>& of(state_interface& s) noexcept { return static_cast<state_holder<D>&>(s).held; }

        [[nodiscard]] std::unique_ptr<state_interface> start(const draft_limits& limits) const override {
            return std::make_unique<state_holder<D>>(start_drafts(held, limits));
        }
        void append(std::span<const token_id> ids, state_interface& s) const override {
            append_to_drafts(held, ids, of(s));
        }
        void rollback(std::size_t size, state_interface& s) const override { rollback_drafts(held, size, of(s)); }
        void propose(std::span<const token_id> ids, state_interface& s, draft_context& context,
                     draft& out) const override {
            earlyout::propose(held, ids, of(s), context, out);
        }
        void learn(const draft_outcome& outcome, state_interface& s) const override {
            learn_from(held, outcome, of(s));
        }
        [[nodiscard]] std::size_t count() const noexcept override { return drafter_count(held); }
        [[nodiscard]] std::vector<std::string_view> names() const override { return drafter_names(held); }
        [[nodiscard]] bool uses_exits() const noexcept override { return earlyout::uses_exits(held); }
        [[nodiscard]] bool proposes_nothing() const noexcept override { return earlyout::proposes_nothing(held); }

        D held;
    };

    std::shared_ptr<const interface> held_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
