// SPDX-License-Identifier: MIT
// What a connection writes, and how it ends.
#include "http_connection.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace serve {

namespace asio = boost::asio;

void mailbox::post(std::function<void(connection&)> action) {
    const std::lock_guard lock(mutex_);
    if (!to_) return;
    // The strand keeps the order: what is posted before close() runs before the next request is read.
    asio::post(to_->executor(), [client = to_, action = std::move(action)] { action(*client); });
}

void mailbox::close() {
    std::shared_ptr<connection> released;  // after the lock: it may be the last one
    const std::lock_guard lock(mutex_);
    released.swap(to_);
}

connection::connection(tcp::socket socket, connection_set& all, bool is_admitted)
    : all_(all),
      is_admitted_(is_admitted),
      socket_(std::move(socket)),
      read_timer_(socket_.get_executor()),
      write_timer_(socket_.get_executor()) {
    error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);  // tokens are sent as they come
    const auto from = socket_.remote_endpoint(ignored);
    if (!ignored) record_.client = from.address().to_string();
}

void connection::refuse() {
    reply_error(503, "connections: expected at most " + std::to_string(all_.options.max_connections) +
                         ", found one more; try again later");
}

void connection::close_when_idle() {
    if (phase_ == phase::waiting) close();
}

void connection::cut() {
    if (phase_ == phase::answering) return leave();
    close();
}

/// An error that HTTP finds itself: the connection closes, since where the next request begins is not known.
void connection::reply_error(int status, const std::string& message) {
    if (request_time_ == clock::time_point{}) {
        request_time_ = clock::now();
        record_.time = std::chrono::system_clock::now();
    }
    phase_ = phase::answering;
    takes_another_ = false;
    send(status, json_type, error_body(status, message));
}

void connection::send(int status, std::string content_type, std::string body) {
    if (phase_ != phase::answering || has_begun_) return;
    reply_head head;
    head.status = status;
    head.content_type = std::move(content_type);
    head.length = body.size();
    record_.response_bytes = is_head_ ? 0 : body.size();
    has_ended_ = true;
    push_head(std::move(head));
    if (!is_head_ && !body.empty()) push(std::move(body));
    write_queue();
}

/// Tells a browser what another page may send.
void connection::send_preflight() {
    reply_head head;
    head.status = 204;
    head.is_preflight = true;
    has_ended_ = true;
    push_head(std::move(head));
    write_queue();
}

void connection::begin(int status, std::string content_type) {
    if (phase_ != phase::answering || has_begun_) return;
    reply_head head;
    head.status = status;
    head.content_type = std::move(content_type);
    head.body = is_http_1_0_ ? framing::close : framing::chunks;
    if (is_http_1_0_) takes_another_ = false;
    push_head(std::move(head));
    write_queue();
}

void connection::write(const std::string& data) {
    if (phase_ != phase::answering || !has_begun_ || has_ended_ || data.empty()) return;
    if (is_head_) return;
    record_.response_bytes += data.size();
    push(framing_ == framing::chunks ? chunk(data) : data);
    // A client that does not read must not make the server keep all that it is sent.
    if (queued_bytes_ > all_.options.max_queued_bytes) return leave();
    write_queue();
}

void connection::end() {
    if (phase_ != phase::answering || !has_begun_ || has_ended_) return;
    has_ended_ = true;
    if (framing_ == framing::chunks && !is_head_) push(last_chunk);
    write_queue();
}

void connection::note(std::string name, std::string json_value) {
    if (phase_ == phase::answering) record_.notes.emplace_back(std::move(name), std::move(json_value));
}

void connection::abandon() {
    if (phase_ != phase::answering || has_ended_) return;
    // A stream that breaks off is seen as such: its last chunk is missing.
    if (has_begun_) return leave();
    send(500, json_type, error_body(500, "the request ended without a reply"));
}

void connection::push_head(reply_head head) {
    has_begun_ = true;
    framing_ = head.body;
    if (all_.stopping) takes_another_ = false;
    head.keep_alive = takes_another_;
    head.http_1_0 = is_http_1_0_;
    head.cors_origin = all_.options.cors_origin;
    record_.status = head.status;
    push(to_text(head));
}

void connection::push(std::string bytes) {
    queued_bytes_ += bytes.size();
    queue_.push_back(std::move(bytes));
}

/// Writes what is queued, a part at a time: a client that takes any of it has time for the next part.
void connection::write_queue() {
    if (is_writing_ || phase_ != phase::answering) return;
    if (queue_.empty()) {
        if (has_ended_) finish();
        return;
    }
    std::array<asio::const_buffer, 16> parts;
    std::size_t count = 0;
    for (const std::string& bytes : queue_) {
        if (count == parts.size()) break;
        parts[count++] = asio::buffer(bytes);
    }
    parts[0] += front_written_;
    is_writing_ = true;
    write_timer_.expires_after(all_.options.write_time);
    write_timer_.async_wait([self = shared_from_this()](error_code problem) {
        if (!problem && self->is_writing_ && self->write_timer_.expiry() <= clock::now()) self->leave();
    });
    socket_.async_write_some(
        parts, [self = shared_from_this()](error_code problem, std::size_t n) { self->on_written(problem, n); });
}

void connection::on_written(error_code problem, std::size_t bytes) {
    is_writing_ = false;
    write_timer_.cancel();
    if (phase_ != phase::answering) return;
    if (problem) return leave();
    if (record_.first_byte_ms == 0.0) record_.first_byte_ms = ms_since_request();
    queued_bytes_ -= bytes;
    for (bytes += front_written_; !queue_.empty() && bytes >= queue_.front().size(); queue_.pop_front()) {
        bytes -= queue_.front().size();
    }
    front_written_ = bytes;
    write_queue();
}

/// The reply is with the client's system.
void connection::finish() {
    log(false);
    if (box_) box_->close();
    box_.reset();
    cancel_.reset();
    if (!takes_another_ || all_.stopping) return linger();
    phase_ = phase::waiting;
    wait_for_request();
}

/// The client left, or is cut off, before it had the whole reply.
void connection::leave() {
    if (phase_ != phase::answering) return;
    log(true);
    if (box_) box_->close();
    const auto cancel = std::exchange(cancel_, std::nullopt);
    close();
    if (cancel) cancel->request_stop();  // last: what it calls may call this
}

/// Closes such that the client can read the reply: input that nobody read would make the system reset the connection.
void connection::linger() {
    constexpr milliseconds time{2000};
    phase_ = phase::lingering;
    error_code problem;
    socket_.shutdown(tcp::socket::shutdown_send, problem);
    if (problem) return close();
    read_timer_.expires_after(time);
    read_timer_.async_wait([self = shared_from_this()](error_code stopped) {
        if (!stopped) self->close();
    });
    if (!is_reading_) input_.clear();
    read_more();
}

void connection::close() {
    if (phase_ == phase::closed) return;
    phase_ = phase::closed;
    if (box_) box_->close();
    read_timer_.cancel();
    write_timer_.cancel();
    error_code ignored;
    socket_.close(ignored);
    const std::lock_guard lock(all_.mutex);
    all_.open.erase(shared_from_this());
    if (is_admitted_) --all_.admitted;
    if (all_.open.empty() && all_.on_empty) all_.on_empty();
}

double connection::ms_since_request() const {
    return std::chrono::duration<double, std::milli>(clock::now() - request_time_).count();
}

void connection::log(bool cancelled) {
    record_.total_ms = ms_since_request();
    record_.cancelled = cancelled;
    if (all_.options.log != nullptr) all_.options.log->write(record_);
}

}  // namespace serve
