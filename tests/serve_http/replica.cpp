// SPDX-License-Identifier: MIT
// replica PORT NAME LOG: an HTTP server that answers with its name, for the test of examples/serve/haproxy.cfg.
// /keep is answered when the client has left, which the log then shows.
#include <serve/access_log.hpp>
#include <serve/http_server.hpp>

#include <charconv>
#include <cstdint>
#include <cstring>
#include <exception>
#include <iostream>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <signal.h>

namespace {

/// Answers with a name, and never answers /keep.
class named final : public serve::handler {
public:
    explicit named(std::string name) : name_(std::move(name)) {}
    void handle(serve::exchange with) override {
        if (with.asked.target != "/keep") {
            return with.reply->send(200, "text/plain", name_ + '\n');
        }
        const std::lock_guard lock(mutex_);
        kept_.push_back(std::move(with));
    }

private:
    std::string name_;
    std::mutex mutex_;
    std::vector<serve::exchange> kept_;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        std::cerr << "usage: replica PORT NAME LOG\n";
        return 2;
    }
    try {
        sigset_t signals;
        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        pthread_sigmask(SIG_BLOCK, &signals, nullptr);
        serve::access_log log(argv[3]);
        serve::http_options options;
        std::from_chars(argv[1], argv[1] + std::strlen(argv[1]), options.port);
        options.log = &log;
        named answers(argv[2]);
        serve::http_server server(options, answers);
        server.start();
        std::cout << server.port() << std::endl;
        int number = 0;
        sigwait(&signals, &number);
        server.stop(std::chrono::seconds(1));
    } catch (const std::exception& e) {
        std::cerr << "replica: " << e.what() << '\n';
        return 1;
    }
}
