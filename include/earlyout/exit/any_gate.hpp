// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_ANY_GATE_HPP
#define EARLYOUT_EXIT_ANY_GATE_HPP

#include <earlyout/exit/gate.hpp>

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// A gate chosen at run time: its signals are a run-time set, its states live in fixed inline storage.
/// One indirect call per exit dearer than the gate it holds.
class any_gate {
public:
    /// Most bytes that a held gate's token_state or sequence_state may take.
    static constexpr std::size_t state_capacity = 64;

    static constexpr signal_set signals = all_signals;

    class state {
    public:
        state() = default;

    private:
        friend class any_gate;
        template <class State>
        State& get() noexcept {
            if (!started_) {
                ::new (static_cast<void*>(bytes_)) State{};
                started_ = true;
            }
            return *std::launder(reinterpret_cast<State*>(bytes_));
        }
        template <class State>
        void set(const State& value) noexcept {
            get<State>() = value;
        }

        alignas(16) std::byte bytes_[state_capacity]{};
        bool started_ = false;
    };
    using token_state = state;
    using sequence_state = state;

    /// Holds a copy of the gate.
    template <class Gate>
        requires(!std::is_same_v<std::remove_cvref_t<Gate>, any_gate>)
    // NOLINTNEXTLINE(google-explicit-constructor): any gate is one
    any_gate(Gate held) : held_(std::make_shared<const holder<Gate>>(std::move(held))) {
        explain_gate<Gate>();
        static_assert(fits<token_state_of<Gate>> && fits<sequence_state_of<Gate>>,
                      "earlyout: a gate's states must fit any_gate::state_capacity bytes to be held by any_gate");
    }

    decision operator()(const signal_view<all_signals>& s, token_state& token, sequence_state& sequence) const {
        return held_->ask(s, token, sequence);
    }
    /// What the held gate reads.
    [[nodiscard]] signal_set run_time_signals() const noexcept { return held_->signals(); }
    [[nodiscard]] sequence_state start_sequence() const { return held_->start_sequence(); }
    void check(const model_shape& shape) const { held_->check(shape); }

private:
    template <class State>
    static constexpr bool fits = sizeof(State) <= state_capacity && alignof(State) <= 16;

    struct interface {
        virtual ~interface() = default;
        [[nodiscard]] virtual decision ask(const signal_view<all_signals>& s, state& token, state& sequence) const = 0;
        [[nodiscard]] virtual signal_set signals() const noexcept = 0;
        [[nodiscard]] virtual state start_sequence() const = 0;
        virtual void check(const model_shape& shape) const = 0;
    };

    template <class Gate>
    struct holder final : interface {
        explicit holder(Gate g) : held(std::move(g)) {}
        [[nodiscard]] decision ask(const signal_view<all_signals>& s, state& token, state& sequence) const override {
            return detail::call_gate(held, s.template as<Gate::signals>(), token.get<token_state_of<Gate>>(),
                                     sequence.get<sequence_state_of<Gate>>());
        }
        [[nodiscard]] signal_set signals() const noexcept override { return signals_of(held); }
        [[nodiscard]] state start_sequence() const override {
            state s;
            s.set(earlyout::start_sequence(held));
            return s;
        }
        void check(const model_shape& shape) const override { check_gate(held, shape); }

        Gate held;
    };

    std::shared_ptr<const interface> held_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
