// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_ANY_HEAD_HPP
#define EARLYOUT_EXIT_ANY_HEAD_HPP

#include <earlyout/core/shape.hpp>
#include <earlyout/exit/exit_head.hpp>
#include <earlyout/exit/heads/shared_head.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// An exit head chosen at run time; the shared one by default. Costs one indirect call per evaluation more than the
/// head it holds.
class any_head {
public:
    any_head() : any_head(shared_head{}) {}
    /// Holds a copy of the head.
    template <class Head>
        requires(!std::is_same_v<std::remove_cvref_t<Head>, any_head>)
    // NOLINTNEXTLINE(google-explicit-constructor): implicit conversion is intended
    any_head(Head held) : held_(std::make_shared<const holder<Head>>(std::move(held))) {
        static_assert(exit_head<Head>, "earlyout: any_head holds an exit head, such as shared_head{}");
    }

    void operator()(std::size_t layer, matrix_view<const float> hidden, matrix_view<float> logits,
                    const lm_head& output) const {
        held_->compute(layer, hidden, logits, output);
    }
    void check(const model_shape& shape) const { held_->check(shape); }
    [[nodiscard]] std::size_t scratch_bytes(std::size_t rows) const { return held_->scratch_bytes(rows); }
    /// Returns uses_lm_head of the held head.
    [[nodiscard]] bool run_time_uses_lm_head() const noexcept { return held_->uses_lm_head(); }
    [[nodiscard]] shortlist_use run_time_shortlist() const noexcept { return held_->shortlist(); }

private:
    struct interface {
        virtual ~interface() = default;
        virtual void compute(std::size_t layer, matrix_view<const float> hidden, matrix_view<float> logits,
                             const lm_head& output) const = 0;
        virtual void check(const model_shape& shape) const = 0;
        [[nodiscard]] virtual std::size_t scratch_bytes(std::size_t rows) const = 0;
        [[nodiscard]] virtual bool uses_lm_head() const noexcept = 0;
        [[nodiscard]] virtual shortlist_use shortlist() const noexcept = 0;
    };

    template <class Head>
    struct holder final : interface {
        explicit holder(Head h) : held(std::move(h)) {}
        void compute(std::size_t layer, matrix_view<const float> hidden, matrix_view<float> logits,
                     const lm_head& output) const override {
            held(layer, hidden, logits, output);
        }
        void check(const model_shape& shape) const override {
            if constexpr (requires { held.check(shape); }) held.check(shape);
        }
        [[nodiscard]] std::size_t scratch_bytes(std::size_t rows) const override {
            return head_scratch_bytes(held, rows);
        }
        [[nodiscard]] bool uses_lm_head() const noexcept override { return earlyout::uses_lm_head(held); }
        [[nodiscard]] shortlist_use shortlist() const noexcept override { return shortlist_of(held); }

        Head held;
    };

    std::shared_ptr<const interface> held_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
