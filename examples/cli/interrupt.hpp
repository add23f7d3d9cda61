// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_INTERRUPT_HPP
#define EARLYOUT_EXAMPLES_CLI_INTERRUPT_HPP

#include <atomic>
#include <csignal>
#include <stop_token>
#include <thread>

#include <pthread.h>
#include <unistd.h>

namespace cli {

/// While it lives, the first Ctrl-C triggers a stop token and the second ends the program. A thread waits
/// for the signal, since next to nothing may be called from a signal handler. Make it before other
/// threads, which inherit the blocked signal.
class interrupt {
public:
    interrupt() {
        sigemptyset(&signal_);
        sigaddset(&signal_, SIGINT);
        pthread_sigmask(SIG_BLOCK, &signal_, &mask_before_);
        waiting_ = std::thread([this] { wait(); });
    }
    ~interrupt() {
        over_ = true;
        pthread_kill(waiting_.native_handle(), SIGINT);
        waiting_.join();
        pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
    }
    interrupt(const interrupt&) = delete;
    interrupt& operator=(const interrupt&) = delete;

    [[nodiscard]] std::stop_token token() const noexcept { return source_.get_token(); }

private:
    void wait() {
        for (int number = 0; sigwait(&signal_, &number) == 0 && !over_;) {
            if (!source_.request_stop()) _exit(128 + SIGINT);
        }
    }

    sigset_t signal_{};
    sigset_t mask_before_{};
    std::atomic<bool> over_{false};
    std::stop_source source_;
    std::thread waiting_;
};

}  // namespace cli

#endif
