// SPDX-License-Identifier: MIT
#include "http_server.hpp"

#include "http_connection.hpp"

#include <earlyout/core/error.hpp>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace serve {

namespace asio = boost::asio;

/// Accepts connections, and owns the threads that serve them.
class http_server::listener {
    using tcp = asio::ip::tcp;
    using error_code = boost::system::error_code;

public:
    listener(http_options options, handler& answers) : work_(asio::make_work_guard(io_)) {
        all_.options = std::move(options);
        all_.answers = &answers;
        all_.on_empty = [this] { emptied_.notify_all(); };
    }

    void start() {
        error_code problem;
        // No flag for "configured" addresses: a machine without a network has its loopback address.
        const auto found = tcp::resolver(io_).resolve(all_.options.host, std::to_string(all_.options.port),
                                                      tcp::resolver::numeric_service, problem);
        if (problem) fail(problem);
        // Of a name's addresses, such as localhost's, that of IPv4 is what editors are configured with.
        const auto v4 =
            std::find_if(found.begin(), found.end(), [](const auto& one) { return one.endpoint().address().is_v4(); });
        const tcp::endpoint address = v4 != found.end() ? *v4 : *found.begin();
        acceptor_.open(address.protocol(), problem);
        if (!problem) acceptor_.set_option(tcp::acceptor::reuse_address(true), problem);  // ports of ended servers
        if (!problem) acceptor_.bind(address, problem);
        if (!problem) acceptor_.listen(asio::socket_base::max_listen_connections, problem);
        if (problem) fail(problem);
        port_ = acceptor_.local_endpoint().port();
        accept();
        const std::size_t count = std::max<std::size_t>(all_.options.threads, 1);
        for (std::size_t i = 0; i < count; ++i) threads_.emplace_back([this] { serve(); });
    }

    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

    void stop(std::chrono::milliseconds deadline) {
        if (threads_.empty()) return;
        all_.stopping = true;
        asio::post(acceptor_.get_executor(), [this] {
            error_code ignored;
            acceptor_.close(ignored);
            retry_.cancel();
        });
        tell_all(&connection::close_when_idle);
        {
            std::unique_lock lock(all_.mutex);
            emptied_.wait_for(lock, deadline, [this] { return all_.open.empty(); });
        }
        tell_all(&connection::cut);
        // A connection that is accepted meanwhile sees that the server stops. The threads end when none is left.
        work_.reset();
        for (std::thread& thread : threads_) thread.join();
        threads_.clear();
    }

private:
    [[noreturn]] void fail(const error_code& problem) const {
        earlyout::fail(earlyout::errc::io, all_.options.host, ":", all_.options.port,
                       ": expected an address that the server can listen on, found: ", problem.message());
    }

    /// Runs handlers. A request for which there is no memory does not end the others.
    void serve() {
        for (;;) {
            try {
                io_.run();
                return;
            } catch (const std::exception& e) {
                std::fprintf(stderr, "earlyout: serving a connection: %s\n", e.what());
            }
        }
    }

    void accept() {
        // Each connection's handlers run one at a time, on any thread.
        acceptor_.async_accept(asio::make_strand(io_), [this](const error_code& problem, tcp::socket socket) {
            if (all_.stopping) return;
            if (problem) return accept_later();
            accept();
            add(std::move(socket));
        });
    }

    /// The process may have no file descriptor left: trying again at once would keep a processor busy.
    void accept_later() {
        retry_.expires_after(std::chrono::milliseconds(50));
        retry_.async_wait([this](const error_code& cancelled) {
            if (!cancelled && !all_.stopping) accept();
        });
    }

    void add(tcp::socket socket) {
        std::unique_lock lock(all_.mutex);
        const bool has_room = all_.admitted < all_.options.max_connections;
        // Saying that there is no room takes a connection too, so these are limited as well.
        const std::size_t refused = all_.open.size() - all_.admitted;
        if (!has_room && refused >= all_.options.max_connections + 8) return;
        const auto made = std::make_shared<connection>(std::move(socket), all_, has_room);
        all_.open.insert(made);
        all_.admitted += has_room ? 1 : 0;
        lock.unlock();
        asio::dispatch(made->executor(), [made, has_room] { has_room ? made->start() : made->refuse(); });
    }

    void tell_all(void (connection::*what)()) {
        const std::lock_guard lock(all_.mutex);
        for (const auto& one : all_.open) asio::post(one->executor(), [one, what] { ((*one).*what)(); });
    }

    asio::io_context io_;
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    asio::strand<asio::io_context::executor_type> accepting_{io_.get_executor()};
    tcp::acceptor acceptor_{accepting_};
    asio::steady_timer retry_{accepting_};
    connection_set all_;
    std::condition_variable emptied_;
    std::uint16_t port_ = 0;
    std::vector<std::thread> threads_;
};

http_server::http_server(http_options options, handler& answers)
    : listener_(std::make_unique<listener>(std::move(options), answers)) {}

http_server::~http_server() { stop(std::chrono::milliseconds(0)); }

void http_server::start() { listener_->start(); }

std::uint16_t http_server::port() const { return listener_->port(); }

void http_server::stop(std::chrono::milliseconds deadline) { listener_->stop(deadline); }

}  // namespace serve
