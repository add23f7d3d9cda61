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

/// A gate chosen at run time: its signals are a run-time set, its states are stored inline at a fixed size. Costs one
/// indirect call per exit more than the gate it holds.
/// @tparam TokenBytes, SequenceBytes max bytes of a held gate's token_state and sequence_state
template <std::size_t TokenBytes, std::size_t SequenceBytes>
class basic_any_gate {
    /// Storage of a state, value-initialised when first used.
    template <std::size_t Bytes>
    class state {
    public:
        state() = default;

    private:
        friend class basic_any_gate;
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

        alignas(16) std::byte bytes_[Bytes]{};
        bool started_ = false;
    };

public:
    static constexpr signal_set signals = all_signals;

    using token_state = state<TokenBytes>;
    struct sequence_state : state<SequenceBytes> {};

    /// Holds a copy of the gate.
    template <class Gate>
        requires(!std::is_same_v<std::remove_cvref_t<Gate>, basic_any_gate>)
    // NOLINTNEXTLINE(google-explicit-constructor): implicit conversion is intended
    basic_any_gate(Gate held) : held_(std::make_shared<const holder<Gate>>(std::move(held))) {
        explain_gate<Gate>();
        static_assert(
            fits<token_state_of<Gate>, TokenBytes> && fits<sequence_state_of<Gate>, SequenceBytes>,
            "earlyout: a gate's states must fit any_gate::token_bytes and any_gate::sequence_bytes to be held "
            "by any_gate");
    }

    static constexpr std::size_t token_bytes = TokenBytes;
    static constexpr std::size_t sequence_bytes = SequenceBytes;

    decision operator()(const signal_view<all_signals>& s, token_state& token, sequence_state& sequence) const {
        return held_->evaluate(s, token, sequence);
    }
    /// Returns the signals that the held gate reads.
    [[nodiscard]] signal_set run_time_signals() const noexcept { return held_->signals(); }
    [[nodiscard]] sequence_state start_sequence() const { return held_->start_sequence(); }
    void check(const model_shape& shape) const { held_->check(shape); }

private:
    template <class State, std::size_t Bytes>
    static constexpr bool fits = sizeof(State) <= Bytes && alignof(State) <= 16;

    struct interface {
        virtual ~interface() = default;
        [[nodiscard]] virtual decision evaluate(const signal_view<all_signals>& s, token_state& token,
                                                sequence_state& sequence) const = 0;
        [[nodiscard]] virtual signal_set signals() const noexcept = 0;
        [[nodiscard]] virtual sequence_state start_sequence() const = 0;
        virtual void check(const model_shape& shape) const = 0;
    };

    template <class Gate>
    struct holder final : interface {
        explicit holder(Gate g) : held(std::move(g)) {}
        [[nodiscard]] decision evaluate(const signal_view<all_signals>& s, token_state& token,
                                        sequence_state& sequence) const override {
            return detail::call_gate(held, s.template as<Gate::signals>(), token.template get<token_state_of<Gate>>(),
                                     sequence.template get<sequence_state_of<Gate>>());
        }
        [[nodiscard]] signal_set signals() const noexcept override { return signals_of(held); }
        [[nodiscard]] sequence_state start_sequence() const override {
            sequence_state s;
            s.set(earlyout::start_sequence(held));
            return s;
        }
        void check(const model_shape& shape) const override { check_gate(held, shape); }

        Gate held;
    };

    std::shared_ptr<const interface> held_;
};

/// An any_gate that fits every gate of this library, and most others.
using any_gate = basic_any_gate<256, 128>;

}}  // namespace earlyout::EARLYOUT_ABI

#endif
