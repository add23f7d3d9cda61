// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_HTTP_SERVER_HPP
#define EARLYOUT_EXAMPLES_SERVE_HTTP_SERVER_HPP

#include "access_log.hpp"
#include "exchange.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace serve {

/// Where the server listens, and its limits. Times are upper bounds.
struct http_options {
    std::string host = "127.0.0.1";
    std::uint16_t port = 8012;  ///< 0: any that is free
    std::size_t threads = 2;    ///< for sockets; completions run elsewhere
    std::size_t max_connections = 256;
    std::size_t max_header_bytes = 16384;
    std::size_t max_body_bytes = std::size_t{8} << 20;    ///< of one request
    std::size_t max_queued_bytes = std::size_t{1} << 20;  ///< of a stream that its client does not read
    std::chrono::milliseconds header_time{10'000};        ///< from a request's first byte to the end of its headers
    std::chrono::milliseconds body_time{30'000};          ///< from there to the end of its body
    std::chrono::milliseconds idle_time{75'000};          ///< between two requests of a connection
    std::chrono::milliseconds write_time{30'000};         ///< in which the client takes some of a reply
    std::string cors_origin;  ///< "*" or an origin; empty: browsers' other pages are refused
    /// Names in the Host header of requests; empty: any. A page whose own name leads to this address can send requests
    /// here and read the replies, but not under another name.
    std::vector<std::string> host_names;
    access_log* log = nullptr;  ///< outlives the server; null: none
};

/// Serves HTTP/1.0 and 1.1 over TCP. One request of a connection is answered at a time; those that arrive early wait. A
/// client that closes its connection, or its sending half, before the reply is complete has left: the exchange's
/// `cancel` is triggered at once.
class http_server {
public:
    /// @param answers its handle() is called on a thread of the server; it outlives the server
    http_server(http_options options, handler& answers);
    /// Stops without waiting for requests.
    ~http_server();
    http_server(const http_server&) = delete;
    http_server& operator=(const http_server&) = delete;

    /// Listens, and returns.
    /// @throws earlyout::error (io) naming host, port and cause
    void start();
    /// Returns the port that the server listens on.
    [[nodiscard]] std::uint16_t port() const;
    /// Accepts no more connections, lets requests that have begun end until `deadline` has passed, cancels the others
    /// and returns once all connections are closed. Later calls do nothing.
    void stop(std::chrono::milliseconds deadline);

private:
    class listener;
    std::unique_ptr<listener> listener_;
};

}  // namespace serve

#endif
