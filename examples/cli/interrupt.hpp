// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_INTERRUPT_HPP
#define EARLYOUT_EXAMPLES_CLI_INTERRUPT_HPP

#include <earlyout/io/file_writer.hpp>

#include <atomic>
#include <csignal>
#include <stop_token>
#include <thread>

#include <pthread.h>
#include <unistd.h>

namespace cli {

/// Ends the program on a signal, with no file half written left behind. May be called from a signal handler.
[[noreturn]] inline void end_by_signal(int number) noexcept {
    earlyout::io::remove_partial_files();
    _exit(128 + number);
}

/// From here on a signal that ends the program leaves no file half written behind, and one that says that a file which
/// is in use was overwritten is told in a sentence.
inline void end_on_signals() noexcept {
    struct sigaction action {};
    action.sa_handler = [](int number) { end_by_signal(number); };
    for (const int number : {SIGHUP, SIGINT, SIGTERM}) {
        struct sigaction before {};
        sigaction(number, nullptr, &before);
        if (before.sa_handler != SIG_IGN) sigaction(number, &action, nullptr);  // as under nohup
    }
    action.sa_handler = [](int) {
        static constexpr char sentence[] =
            "earlyout: a file was shortened or overwritten while it was in use (SIGBUS): write a new file and rename "
            "it into place, or give --no-mmap\n";
        (void)!write(STDERR_FILENO, sentence, sizeof sentence - 1);
        earlyout::io::remove_partial_files();
        _exit(1);
    };
    sigaction(SIGBUS, &action, nullptr);
}

/// While it lives, the first Ctrl-C or SIGTERM triggers a stop token and the second ends the program. A thread waits
/// for the signal, since next to nothing may be called from a signal handler. Make it before other
/// threads, which inherit the blocked signals. Otherwise such a signal ends the program: end_on_signals.
class interrupt {
public:
    /// @param catches false: signals end the program, as those that work together must end together
    explicit interrupt(bool catches = true) : catches_(catches) {
        if (!catches_) return;
        sigemptyset(&signals_);
        for (const int number : {SIGINT, SIGTERM, SIGUSR1}) sigaddset(&signals_, number);
        pthread_sigmask(SIG_BLOCK, &signals_, &mask_before_);
        waiting_ = std::thread([this] { wait(); });
    }
    ~interrupt() {
        if (!catches_) return;
        pthread_kill(waiting_.native_handle(), SIGUSR1);
        waiting_.join();
        pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
    }
    interrupt(const interrupt&) = delete;
    interrupt& operator=(const interrupt&) = delete;

    [[nodiscard]] std::stop_token token() const noexcept { return source_.get_token(); }
    /// What the program returns: 0, or 128 and the signal that came.
    [[nodiscard]] int status() const noexcept { return status_; }

private:
    void wait() {
        for (int number = 0; sigwait(&signals_, &number) == 0 && number != SIGUSR1;) {
            if (status_ != 0) end_by_signal(number);
            status_ = 128 + number;
            source_.request_stop();
        }
    }

    bool catches_;
    sigset_t signals_{};
    sigset_t mask_before_{};
    std::atomic<int> status_{0};
    std::stop_source source_;
    std::thread waiting_;
};

}  // namespace cli

#endif
