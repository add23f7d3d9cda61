// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_SERVE_HTTP_CLIENT_HPP
#define EARLYOUT_TESTS_SERVE_HTTP_CLIENT_HPP

#include <serve/exchange.hpp>
#include <serve/http_server.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/// @file A client that sends bytes, and a handler that a test scripts.

namespace serve_test {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

/// A reply as it was received.
struct reply {
    int status = 0;  ///< 0: the connection closed before a reply
    std::string head;
    std::string body;  ///< chunks joined
    bool complete = false;

    [[nodiscard]] bool says(std::string_view header) const { return head.find(header) != std::string::npos; }
};

/// A TCP connection to the server on this machine.
class client {
public:
    /// @param receive_buffer bytes that the system receives ahead; 0: its default
    explicit client(std::uint16_t port, int receive_buffer = 0) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
        if (receive_buffer > 0) setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
        const int at_once = 1;
        setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
            close();
            throw std::runtime_error("cannot connect");
        }
    }
    ~client() { close(); }
    client(client&& from) noexcept : socket_(std::exchange(from.socket_, -1)), input_(std::move(from.input_)) {}
    client(const client&) = delete;
    client& operator=(const client&) = delete;

    /// Sends all of it; a peer that closed is no error, since servers may refuse early.
    client& send(std::string_view bytes) {
        while (!bytes.empty()) {
            const auto n = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n <= 0) {
                was_reset_ = true;
                break;
            }
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
        return *this;
    }
    void close() {
        if (socket_ >= 0) ::close(std::exchange(socket_, -1));
    }
    void close_sending_half() const { shutdown(socket_, SHUT_WR); }
    /// Closes with a reset in place of a goodbye.
    void reset() {
        const linger now{1, 0};
        setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close();
    }

    /// Receives until `text` is there, and returns what precedes it and it; the rest is kept. Less: the server closed,
    /// or time is over.
    std::string receive_through(std::string_view text, std::chrono::milliseconds time = 10s) {
        const auto until = clock::now() + time;
        std::size_t at = std::string::npos;
        while ((at = input_.find(text)) == std::string::npos && receive_more(until)) {
        }
        return take(at == std::string::npos ? input_.size() : at + text.size());
    }
    std::string receive_bytes(std::size_t n, std::chrono::milliseconds time = 10s) {
        const auto until = clock::now() + time;
        while (input_.size() < n && receive_more(until)) {
        }
        return take(std::min(n, input_.size()));
    }
    std::string receive_all(std::chrono::milliseconds time = 10s) { return receive_bytes(std::string::npos, time); }
    /// Returns true once the server has closed.
    bool is_closed(std::chrono::milliseconds time = 10s) {
        receive_all(time);
        return ended_;
    }

    /// Returns true if the server closed with a reset, which costs some clients the reply in front of it.
    [[nodiscard]] bool was_reset() const noexcept { return was_reset_; }

    reply receive(bool has_body = true) {
        reply got;
        got.head = receive_through("\r\n\r\n");
        if (!got.head.ends_with("\r\n\r\n")) return got;
        got.status = std::atoi(got.head.c_str() + std::string_view("HTTP/1.1 ").size());
        const auto length = got.head.find("Content-Length: ");
        got.complete = true;
        if (!has_body || got.status == 204 || got.status == 100) return got;
        if (length != std::string::npos) {
            const auto size = std::strtoul(got.head.c_str() + length + 16, nullptr, 10);
            got.body = receive_bytes(size);
            got.complete = got.body.size() == size;
        } else if (got.says("Transfer-Encoding: chunked")) {
            got.complete = receive_chunks(got.body);
        } else {
            got.body = receive_all();
            got.complete = ended_;
        }
        return got;
    }
    /// Receives one chunk; empty: the last, or none.
    std::string receive_chunk() {
        const std::string size = receive_through("\r\n");
        std::string data = receive_bytes(std::strtoul(size.c_str(), nullptr, 16));
        if (receive_bytes(2) != "\r\n") broken_ = true;
        return data;
    }

private:
    bool receive_chunks(std::string& into) {
        for (std::string next; !(next = receive_chunk()).empty();) into += next;
        return !broken_;
    }
    std::string take(std::size_t n) {
        std::string taken = input_.substr(0, n);
        input_.erase(0, n);
        return taken;
    }
    bool receive_more(clock::time_point until) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - clock::now()).count();
        pollfd waiting{socket_, POLLIN, 0};
        if (left <= 0 || poll(&waiting, 1, static_cast<int>(left)) != 1) return false;
        char bytes[16384];
        const auto n = recv(socket_, bytes, sizeof bytes, 0);
        if (n <= 0) ended_ = true;
        if (n < 0) was_reset_ = true;
        if (n > 0) input_.append(bytes, static_cast<std::size_t>(n));
        return n > 0;
    }

    int socket_;
    std::string input_;
    bool ended_ = false;
    bool was_reset_ = false;
    bool broken_ = false;
};

/// A request's text, with a body if it has one.
inline std::string request_text(std::string_view method, std::string_view target, std::string_view body = {},
                                std::string_view headers = {}) {
    std::string text = std::string(method) + ' ' + std::string(target) + " HTTP/1.1\r\nHost: test\r\n";
    text += headers;
    if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    return (text += "\r\n") += body;
}

/// Waits until something is true.
inline bool eventually(const std::function<bool()>& is_true, std::chrono::milliseconds time = 10s) {
    const auto until = clock::now() + time;
    while (!is_true()) {
        if (clock::now() > until) return false;
        usleep(500);
    }
    return true;
}

/// Calls a function with each exchange, or keeps it for the test to answer: "/keep".
class scripted : public serve::handler {
public:
    explicit scripted(std::function<void(serve::exchange)> script = {}) : script_(std::move(script)) {}

    void handle(serve::exchange with) override {
        ++count_;
        if (with.asked.target.starts_with("/keep")) {
            const std::lock_guard lock(mutex_);
            kept_.push_back(std::move(with));
            return arrived_.notify_all();
        }
        if (script_) return script_(std::move(with));
        const std::string body = with.asked.method + ' ' + with.asked.target + ' ' + with.asked.body;
        with.reply->send(200, "text/plain", body);
    }
    /// Waits for an exchange that is kept, and returns it.
    serve::exchange next() {
        std::unique_lock lock(mutex_);
        if (!arrived_.wait_for(lock, 10s, [this] { return !kept_.empty(); })) throw std::runtime_error("no request");
        serve::exchange first = std::move(kept_.front());
        kept_.erase(kept_.begin());
        return first;
    }
    [[nodiscard]] int count() const { return count_; }

private:
    std::function<void(serve::exchange)> script_;
    std::atomic<int> count_{0};
    std::mutex mutex_;
    std::condition_variable arrived_;
    std::vector<serve::exchange> kept_;
};

/// A server on a free port, with its handler.
struct running {
    scripted handler;
    serve::http_server server;

    explicit running(serve::http_options options = {}, std::function<void(serve::exchange)> script = {})
        : handler(std::move(script)), server(on_free_port(std::move(options)), handler) {
        server.start();
    }
    [[nodiscard]] client connect(int receive_buffer = 0) const { return client(server.port(), receive_buffer); }

private:
    static serve::http_options on_free_port(serve::http_options options) {
        options.port = 0;
        return options;
    }
};

}  // namespace serve_test

#endif
