// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_ANY_SESSION_HPP
#define EARLYOUT_GENERATE_ANY_SESSION_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/generate/sequence_snapshot.hpp>
#include <earlyout/generate/session.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// A session whose model type and policy are chosen at run time: a movable value with the interface of session. Costs
/// one virtual call per token more.
class any_session {
public:
    /// Makes a session and holds it.
    /// @param model must outlive the session
    /// @throws error as session's constructor
    template <model Model, class Policy>
    any_session(const Model& model, Policy policy, const session_options& options = {})
        : any_session(session<Model, Policy>(model, std::move(policy), options)) {}
    template <model Model, class Policy, drafter Drafter>
    any_session(const Model& model, Policy policy, Drafter drafter, const session_options& options = {})
        : any_session(session<Model, Policy, Drafter>(model, std::move(policy), std::move(drafter), options)) {}
    template <model Model, class... Arguments>
    any_session(const Model&& model, Arguments&&... arguments) = delete;
    /// Moves a session.
    template <class Model, class Policy, class Drafter>
    explicit any_session(session<Model, Policy, Drafter> made)
        : held_(std::make_unique<holder<Model, Policy, Drafter>>(std::move(made))) {}

    /// Completes a text, as session::complete.
    /// @throws error as session::complete, and (unsupported) for a model without a tokenizer
    completion complete(std::string_view prompt, const generate_options& options = {},
                        token_callback on_token = proceed_always) {
        return held_->complete(prompt, options, on_token);
    }
    completion complete(std::span<const token_id> prompt, const generate_options& options = {},
                        token_callback on_token = proceed_always) {
        return held_->complete(prompt, options, on_token);
    }
    /// Starts a completion, as session::start.
    void start(std::span<const token_id> prompt, const generate_options& options = {}) {
        held_->start(prompt, options);
    }
    /// Returns the next token, as session::next.
    std::optional<token_event> next() { return held_->next(); }
    /// Removes new tokens, as session::rollback.
    void rollback(std::size_t count) { held_->rollback(count); }
    /// Takes over a snapshot's tokens, as session::restore.
    void restore(const sequence_snapshot& from) { held_->restore(from); }

    [[nodiscard]] std::optional<earlyout::finish_reason> finish_reason() const noexcept {
        return held_->finish_reason();
    }
    [[nodiscard]] std::span<const token_id> ids() const noexcept { return held_->ids(); }
    [[nodiscard]] std::string_view text() const noexcept { return held_->text(); }
    [[nodiscard]] std::size_t capacity() const noexcept { return held_->tokens().capacity(); }
    [[nodiscard]] const sequence& tokens() const noexcept { return held_->tokens(); }
    [[nodiscard]] run_stats stats() const { return held_->stats(); }

private:
    struct interface {
        virtual ~interface() = default;
        virtual completion complete(std::string_view, const generate_options&, token_callback) = 0;
        virtual completion complete(std::span<const token_id>, const generate_options&, token_callback) = 0;
        virtual void start(std::span<const token_id>, const generate_options&) = 0;
        virtual std::optional<token_event> next() = 0;
        virtual void rollback(std::size_t) = 0;
        virtual void restore(const sequence_snapshot&) = 0;
        [[nodiscard]] virtual std::optional<earlyout::finish_reason> finish_reason() const noexcept = 0;
        [[nodiscard]] virtual std::span<const token_id> ids() const noexcept = 0;
        [[nodiscard]] virtual std::string_view text() const noexcept = 0;
        [[nodiscard]] virtual const sequence& tokens() const noexcept = 0;
        [[nodiscard]] virtual run_stats stats() const = 0;
    };

    template <class Model, class Policy, class Drafter>
    struct holder final : interface {
        explicit holder(session<Model, Policy, Drafter> made) : held(std::move(made)) {}

        completion complete(std::string_view prompt, const generate_options& options,
                            token_callback on_token) override {
            if constexpr (text_model<Model>) {
                return held.complete(prompt, options, on_token);
            } else {
                fail(errc::unsupported, source_of(held.model()),
                     "prompt: expected token ids, since this model has no tokenizer; found text");
            }
        }
        completion complete(std::span<const token_id> prompt, const generate_options& options,
                            token_callback on_token) override {
            return held.complete(prompt, options, on_token);
        }
        void start(std::span<const token_id> prompt, const generate_options& options) override {
            held.start(prompt, options);
        }
        std::optional<token_event> next() override { return held.next(); }
        void rollback(std::size_t count) override { held.rollback(count); }
        void restore(const sequence_snapshot& from) override { held.restore(from); }
        [[nodiscard]] std::optional<earlyout::finish_reason> finish_reason() const noexcept override {
            return held.finish_reason();
        }
        [[nodiscard]] std::span<const token_id> ids() const noexcept override { return held.ids(); }
        [[nodiscard]] std::string_view text() const noexcept override { return held.text(); }
        [[nodiscard]] const sequence& tokens() const noexcept override { return held.tokens(); }
        [[nodiscard]] run_stats stats() const override { return held.stats(); }

        session<Model, Policy, Drafter> held;
    };

    std::unique_ptr<interface> held_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
