// SPDX-License-Identifier: MIT
#include <chrono>
#include <stop_token>
#include <string>

#include "client.hpp"
#include "support/catch.hpp"

using namespace serve_test;

namespace {

/// Returns the milliseconds until the exchange is cancelled, at most 5000.
long long ms_to_cancel(const serve::exchange& with) {
    const auto from = clock::now();
    eventually([&] { return with.cancel.stop_requested(); }, 5s);
    return std::chrono::duration_cast<std::chrono::milliseconds>(clock::now() - from).count();
}

}  // namespace

TEST_CASE("a client that closes cancels its request", "[serve_http][cancel]") {
    running r;
    client c = r.connect();
    c.send(request_text("POST", "/keep", "{}"));
    serve::exchange with = r.handler.next();
    CHECK_FALSE(eventually([&] { return with.cancel.stop_requested(); }, 30ms));

    SECTION("by closing") { c.close(); }
    SECTION("by a reset") { c.reset(); }
    SECTION("by closing the sending half") { c.close_sending_half(); }
    SECTION("during a stream") {
        with.reply->begin(200, "text/event-stream");
        with.reply->write("data: 1\n\n");
        CHECK(c.receive_through("data: 1").ends_with("data: 1"));
        c.close();
    }
    SECTION("with a part of the next request sent") {
        c.send("POST /next HT");
        usleep(10'000);
        c.close();
    }
    CHECK(ms_to_cancel(with) < 100);
    // Nobody is there: calls do nothing.
    with.reply->begin(200, "text/event-stream");
    with.reply->write("data: 2\n\n");
    with.reply->note("tokens", "1");
    with.reply->end();
    CHECK(r.connect().send(request_text("GET", "/")).receive().status == 200);
}

TEST_CASE("a close is seen behind a long pipeline", "[serve_http][cancel]") {
    serve::http_options options;
    options.max_body_bytes = 1 << 20;
    running r(options);
    client c = r.connect();
    c.send(request_text("POST", "/keep", "{}") + request_text("POST", "/2", std::string(900'000, 'b')));
    const serve::exchange with = r.handler.next();
    CHECK_FALSE(eventually([&] { return with.cancel.stop_requested(); }, 50ms));
    c.close();
    CHECK(ms_to_cancel(with) < 200);
}

TEST_CASE("a client that sends more than one request ahead is cut off", "[serve_http][cancel]") {
    serve::http_options options;
    options.max_body_bytes = 1 << 20;
    running r(options);
    client c = r.connect();
    c.send(request_text("POST", "/keep", "{}"));
    const serve::exchange with = r.handler.next();
    c.send(std::string(std::size_t{8} << 20, 'x'));
    CHECK(ms_to_cancel(with) < 5000);
}

TEST_CASE("a callback of the cancellation may call the reply", "[serve_http][cancel]") {
    running r;
    client c = r.connect();
    c.send(request_text("POST", "/keep", "{}"));
    const serve::exchange with = r.handler.next();
    std::atomic<bool> called{false};
    const std::stop_callback on_cancel(with.cancel.get_token(), [&] {
        with.reply->send(200, "text/plain", "nobody reads this");
        called = true;
    });
    c.close();
    CHECK(eventually([&] { return called.load(); }));
}

TEST_CASE("the service may cancel an exchange and still reply", "[serve_http][cancel]") {
    running r;
    client c = r.connect();
    c.send(request_text("POST", "/keep", "{}"));
    serve::exchange with = r.handler.next();
    with.cancel.request_stop();
    with.reply->send(200, "text/plain", "shorter");
    CHECK(c.receive().body == "shorter");
    CHECK(c.send(request_text("GET", "/next")).receive().status == 200);
}

TEST_CASE("a sending half that is closed once the reply is queued does not cost the reply", "[serve_http][cancel]") {
    running r;
    client c = r.connect(4096);
    c.send(request_text("GET", "/keep"));
    const serve::exchange with = r.handler.next();
    const std::string body(std::size_t{16} << 20, 'x');
    with.reply->send(200, "text/plain", body);
    CHECK(c.receive_through("\r\n\r\n").ends_with("\r\n\r\n"));
    c.close_sending_half();
    CHECK(c.receive_all().size() == body.size());
    CHECK_FALSE(with.cancel.stop_requested());
}

TEST_CASE("a sink outlives its server", "[serve_http][cancel]") {
    serve::exchange with;
    {
        running r;
        client c = r.connect();
        c.send(request_text("GET", "/keep"));
        with = r.handler.next();
    }
    CHECK(with.cancel.stop_requested());
    with.reply->send(200, "text/plain", "late");
    with.reply.reset();
}
