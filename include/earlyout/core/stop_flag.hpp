// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CORE_STOP_FLAG_HPP
#define EARLYOUT_CORE_STOP_FLAG_HPP

#include <earlyout/core/config.hpp>

#include <version>

#if defined(__cpp_lib_jthread)
#include <stop_token>
#include <utility>
#else
#include <atomic>
#include <memory>
#endif

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Tells a running call to stop: a flag that its copies share. A std::stop_token is one, where the standard library has
/// them (libc++ 16 does not).
class stop_flag {
public:
#if defined(__cpp_lib_jthread)
    /// Makes one that is never set.
    stop_flag() noexcept = default;
    // NOLINTNEXTLINE(google-explicit-constructor): the standard library's token is one
    stop_flag(std::stop_token token) noexcept : token_(std::move(token)) {}
    /// Makes one that can be set.
    [[nodiscard]] static stop_flag make() {
        stop_flag made;
        made.source_ = std::stop_source();
        made.token_ = made.source_.get_token();
        return made;
    }
    /// Sets the flag, in all copies. Nothing where it was not made by make().
    void request_stop() noexcept { (void)source_.request_stop(); }
    [[nodiscard]] bool stop_requested() const noexcept { return token_.stop_requested(); }
    /// Returns it as the standard library's, for its callbacks.
    [[nodiscard]] const std::stop_token& token() const noexcept { return token_; }

private:
    std::stop_source source_{std::nostopstate};
    std::stop_token token_;
#else
    stop_flag() noexcept = default;
    [[nodiscard]] static stop_flag make() {
        stop_flag made;
        made.own_ = std::make_shared<std::atomic<bool>>(false);
        return made;
    }
    void request_stop() noexcept {
        if (own_ != nullptr) own_->store(true, std::memory_order_release);
    }
    [[nodiscard]] bool stop_requested() const noexcept {
        return own_ != nullptr && own_->load(std::memory_order_acquire);
    }

private:
    std::shared_ptr<std::atomic<bool>> own_;
#endif
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
