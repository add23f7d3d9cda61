// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_HTTP_CONNECTION_HPP
#define EARLYOUT_EXAMPLES_SERVE_HTTP_CONNECTION_HPP

#include "http_server.hpp"
#include "http_text.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <unordered_set>
#include <utility>

namespace serve {

class connection;

/// What the connections of a server share.
struct connection_set {
    http_options options;
    handler* answers = nullptr;
    std::atomic<bool> stopping{false};

    std::mutex mutex;
    std::unordered_set<std::shared_ptr<connection>> open;  ///< guarded by mutex, as what follows
    std::size_t admitted = 0;                              ///< of them, those that may send requests
    std::function<void()> on_empty;                        ///< called with the mutex held
};

/// The way from a reply_sink, on any thread, to the connection. Closed when the exchange ends: what comes later is
/// dropped, so a sink that outlives its server is harmless.
class mailbox {
public:
    explicit mailbox(std::shared_ptr<connection> to) : to_(std::move(to)) {}

    void post(std::function<void(connection&)> action);
    void close();

private:
    std::mutex mutex_;
    std::shared_ptr<connection> to_;  ///< null: closed
};

/// One client. All members but the constructor are called on the socket's strand.
class connection : public std::enable_shared_from_this<connection> {
public:
    using tcp = boost::asio::ip::tcp;
    using error_code = boost::system::error_code;
    using clock = std::chrono::steady_clock;

    /// @param is_admitted its close() counts down connection_set::admitted
    connection(tcp::socket socket, connection_set& all, bool is_admitted);

    /// Reads requests and answers them, until the client leaves.
    void start();
    /// Answers without reading anything, for want of room, and closes.
    void refuse();
    /// Closes if no request has begun; otherwise closes after its reply.
    void close_when_idle();
    /// Closes now; a request that is being answered is cancelled.
    void cut();
    [[nodiscard]] auto executor() { return socket_.get_executor(); }

    // What a reply_sink does, see there.
    void send(int status, std::string content_type, std::string body);
    void begin(int status, std::string content_type);
    void write(const std::string& data);
    void end();
    void note(std::string name, std::string json_value);
    /// The sink was destroyed.
    void abandon();

private:
    enum class phase {
        waiting,    ///< for the first byte of a request
        reading,    ///< a request
        answering,  ///< a request; reading shows whether the client is still there
        lingering,  ///< the reply is sent: what the client still sends is discarded until it closes
        closed
    };
    using parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
    using milliseconds = std::chrono::milliseconds;

    // http_connection_read.cpp
    void wait_for_request();
    void find_request();
    void read_more();
    void on_more(error_code problem, std::size_t bytes);
    void on_early_data();
    void read_head();
    void on_head(error_code problem);
    void read_body();
    void on_read_problem(error_code problem);
    void answer();
    void limit_reading(milliseconds time);
    void on_reading_too_long();

    // http_connection.cpp
    void reply_error(int status, const std::string& message);
    void send_preflight();
    void push_head(reply_head head);
    void push(std::string bytes);
    void write_queue();
    void on_written(error_code problem, std::size_t bytes);
    void finish();
    void leave();
    void linger();
    void close();
    void log(bool cancelled);
    [[nodiscard]] double ms_since_request() const;

    connection_set& all_;
    bool is_admitted_;
    tcp::socket socket_;
    boost::asio::steady_timer read_timer_;
    boost::asio::steady_timer write_timer_;
    boost::beast::flat_buffer input_;
    std::optional<parser> parser_;
    phase phase_ = phase::waiting;
    bool is_reading_ = false;     ///< read_more() is pending
    bool is_first_ = true;        ///< no request was read yet
    bool is_late_ = false;        ///< the request took too long to arrive
    bool takes_another_ = false;  ///< request, after this one

    // The exchange.
    std::shared_ptr<mailbox> box_;
    std::optional<std::stop_source> cancel_;
    access_record record_;
    clock::time_point request_time_{};
    framing framing_ = framing::length;
    bool is_http_1_0_ = false;
    bool is_head_ = false;    ///< the method HEAD: no body
    bool has_begun_ = false;  ///< the reply
    bool has_ended_ = false;  ///< the reply is in the queue as a whole
    std::deque<std::string> queue_;
    std::size_t front_written_ = 0;  ///< bytes of queue_.front()
    std::size_t queued_bytes_ = 0;
    bool is_writing_ = false;
};

}  // namespace serve

#endif
