// SPDX-License-Identifier: MIT
// What a connection reads.
#include "http_connection.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>

#include <exception>
#include <string_view>
#include <utility>

namespace serve {

namespace asio = boost::asio;
namespace http = boost::beast::http;

namespace {

template <class Text>
std::string copied(const Text& text) {
    return {text.data(), text.size()};
}

/// Hands a reply to the connection, whichever thread it comes from.
class http_reply final : public reply_sink {
public:
    explicit http_reply(std::shared_ptr<mailbox> box) : box_(std::move(box)) {}
    ~http_reply() override {
        box_->post([](connection& to) { to.abandon(); });
    }
    void send(int status, std::string content_type, std::string body) override {
        box_->post([status, type = std::move(content_type), body = std::move(body)](connection& to) mutable {
            to.send(status, std::move(type), std::move(body));
        });
    }
    void begin(int status, std::string content_type) override {
        box_->post(
            [status, type = std::move(content_type)](connection& to) mutable { to.begin(status, std::move(type)); });
    }
    void write(std::string data) override {
        box_->post([data = std::move(data)](connection& to) { to.write(data); });
    }
    void end() override {
        box_->post([](connection& to) { to.end(); });
    }
    void note(std::string name, std::string json_value) override {
        box_->post([name = std::move(name), value = std::move(json_value)](connection& to) { to.note(name, value); });
    }

private:
    std::shared_ptr<mailbox> box_;
};

}  // namespace

void connection::start() { wait_for_request(); }

void connection::wait_for_request() {
    if (all_.stopping) return close();
    limit_reading(is_first_ ? all_.options.header_time : all_.options.idle_time);
    find_request();
}

/// What has arrived is the next request, or the empty line that some clients send behind a body.
void connection::find_request() {
    if (is_reading_ && input_.size() > 0) {
        error_code ignored;
        socket_.cancel(ignored);  // the parser reads from here on; on_more() comes back
        return;
    }
    while (input_.size() > 0) {
        const char next = *static_cast<const char*>(input_.data().data());
        if (next != '\r' && next != '\n') return read_head();
        input_.consume(1);
    }
    read_more();
}

/// Reads whatever comes, in every phase but that of reading a request: a close must be seen at once.
void connection::read_more() {
    if (is_reading_) return;
    constexpr std::size_t size = 8192;
    is_reading_ = true;
    socket_.async_read_some(input_.prepare(size), [self = shared_from_this()](error_code problem, std::size_t n) {
        self->on_more(problem, n);
    });
}

void connection::on_more(error_code problem, std::size_t bytes) {
    is_reading_ = false;
    if (phase_ == phase::closed) return;
    input_.commit(bytes);
    switch (phase_) {
        case phase::waiting:
            if (problem && problem != asio::error::operation_aborted) return close();
            return find_request();
        case phase::answering:
            if (!problem) return on_early_data();
            // A client that closes its sending half once the whole reply is queued still gets the rest of it.
            if (problem == asio::error::eof && has_ended_) {
                takes_another_ = false;
                return;
            }
            return leave();
        case phase::lingering:
            if (problem) return close();
            input_.clear();
            return read_more();
        case phase::reading:
        case phase::closed: return;
    }
}

/// Keeps the beginning of the next request. Since reading goes on, so that a close is seen, there is a limit.
void connection::on_early_data() {
    if (input_.size() > all_.options.max_header_bytes + all_.options.max_body_bytes) return leave();
    read_more();
}

void connection::read_head() {
    phase_ = phase::reading;
    is_first_ = is_head_ = has_begun_ = has_ended_ = false;
    access_record fresh;
    fresh.client = std::move(record_.client);
    record_ = std::move(fresh);
    request_time_ = {};
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(all_.options.max_header_bytes));
    parser_->body_limit(all_.options.max_body_bytes);
    limit_reading(all_.options.header_time);
    http::async_read_header(socket_, input_, *parser_,
                            [self = shared_from_this()](error_code problem, std::size_t) { self->on_head(problem); });
}

void connection::on_head(error_code problem) {
    if (phase_ == phase::closed) return;
    const auto& head = parser_->get();
    record_.method = copied(head.method_string());
    record_.target = copied(head.target());
    if (problem) return on_read_problem(problem);
    is_http_1_0_ = head.version() < 11;
    is_head_ = head.method() == http::verb::head;
    takes_another_ = head.keep_alive();

    const auto& names = all_.options.host_names;
    // Whoever sends none is no browser.
    if (const auto host = copied(head[http::field::host]);
        !names.empty() && !host.empty() && !names_host(host, names)) {
        return reply_error(403, "Host: expected " + names.front() + " or another name of this server, found " + host);
    }
    const std::string encoding = copied(head[http::field::content_encoding]);
    if (!encoding.empty() && encoding != "identity") {
        return reply_error(415, "Content-Encoding: expected a body that is not compressed, found " + encoding);
    }
    const auto expected = head[http::field::expect];
    if (expected.empty() || is_http_1_0_ || parser_->is_done()) return read_body();
    if (!boost::beast::iequals(expected, "100-continue")) {
        return reply_error(417, "Expect: expected 100-continue, found " + copied(expected));
    }
    static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    asio::async_write(socket_, asio::buffer(go_on), [self = shared_from_this()](error_code failed, std::size_t) {
        if (self->phase_ == phase::closed) return;
        if (failed) return self->close();
        self->read_body();
    });
}

void connection::read_body() {
    limit_reading(all_.options.body_time);
    http::async_read(socket_, input_, *parser_, [self = shared_from_this()](error_code problem, std::size_t) {
        if (self->phase_ == phase::closed) return;
        if (problem) return self->on_read_problem(problem);
        self->answer();
    });
}

void connection::on_read_problem(error_code problem) {
    read_timer_.cancel();
    if (is_late_) return reply_error(408, "the request took too long to arrive");
    if (problem == http::error::body_limit) {
        return reply_error(
            413, "body: expected at most " + std::to_string(all_.options.max_body_bytes) + " bytes, found more");
    }
    if (problem == http::error::header_limit || problem == http::error::buffer_overflow) {
        return reply_error(
            431, "headers: expected at most " + std::to_string(all_.options.max_header_bytes) + " bytes, found more");
    }
    if (problem == http::error::bad_version) return reply_error(505, "expected HTTP/1.0 or HTTP/1.1");
    const bool is_malformed = problem.category() == http::make_error_code(http::error::bad_method).category() &&
                              problem != http::error::end_of_stream && problem != http::error::partial_message;
    if (is_malformed) return reply_error(400, "not an HTTP request: " + problem.message());
    close();  // the client left
}

/// Hands the request to the handler.
void connection::answer() {
    read_timer_.cancel();
    phase_ = phase::answering;
    request_time_ = clock::now();
    record_.time = std::chrono::system_clock::now();
    auto message = parser_->release();
    parser_.reset();
    record_.request_bytes = message.body().size();
    read_more();

    if (message.method() == http::verb::options && !all_.options.cors_origin.empty()) return send_preflight();
    exchange made;
    made.asked = {.method = is_head_ ? "GET" : record_.method,
                  .target = record_.target,
                  .body = std::move(message.body()),
                  .authorization = copied(message[http::field::authorization]),
                  .api_key = copied(message["X-Api-Key"])};
    box_ = std::make_shared<mailbox>(shared_from_this());
    cancel_.emplace(made.cancel);
    made.reply = std::make_shared<http_reply>(box_);
    const auto reply = made.reply;
    try {
        all_.answers->handle(std::move(made));
    } catch (const std::exception& e) {
        reply->send(500, json_type, error_body(500, e.what()));
    }
}

void connection::limit_reading(milliseconds time) {
    read_timer_.expires_after(time);
    read_timer_.async_wait([self = shared_from_this()](error_code stopped) {
        // It may have been set anew while this was on its way.
        if (!stopped && self->read_timer_.expiry() <= clock::now()) self->on_reading_too_long();
    });
}

void connection::on_reading_too_long() {
    if (phase_ == phase::waiting) return close();  // nothing to answer
    if (phase_ != phase::reading) return;
    is_late_ = true;
    error_code ignored;
    socket_.cancel(ignored);  // on_read_problem answers
}

}  // namespace serve
