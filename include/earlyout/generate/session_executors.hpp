// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_SESSION_EXECUTORS_HPP
#define EARLYOUT_GENERATE_SESSION_EXECUTORS_HPP

#include <earlyout/core/executor.hpp>
#include <earlyout/core/thread_pool.hpp>
#include <earlyout/generate/options.hpp>

#include <cstddef>
#include <memory>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// The threads of a session: its own or borrowed ones, with more for the prompt if the options request it.
class session_executors {
public:
    explicit session_executors(const session_options& options)
        : own_(make(options.run_on, options.threads)),
          own_prefill_(options.prefill_threads == 0 || options.prefill_threads == options.threads
                           ? nullptr
                           : make(options.run_on, options.prefill_threads)),
          decode_(options.run_on != nullptr ? options.run_on : own_.get()),
          prefill_(own_prefill_ != nullptr ? own_prefill_.get() : decode_) {}

    [[nodiscard]] executor& decode() const noexcept { return *decode_; }
    [[nodiscard]] executor& prefill() const noexcept { return *prefill_; }
    /// Returns the executor with more threads.
    [[nodiscard]] executor& widest() const noexcept {
        return prefill_->concurrency() > decode_->concurrency() ? *prefill_ : *decode_;
    }

private:
    static std::unique_ptr<executor> make(const executor* lent, std::size_t threads) {
        if (lent != nullptr) return nullptr;
        if (threads == 1) return std::make_unique<inline_executor>();
        return std::make_unique<thread_pool>(threads);
    }

    std::unique_ptr<executor> own_;
    std::unique_ptr<executor> own_prefill_;
    executor* decode_;
    executor* prefill_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
