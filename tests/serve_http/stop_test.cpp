// SPDX-License-Identifier: MIT
#include <chrono>
#include <future>
#include <string>

#include "client.hpp"
#include "support/catch.hpp"

using namespace serve_test;

namespace {

std::future<clock::duration> stop(running& r, std::chrono::milliseconds deadline) {
    return std::async(std::launch::async, [&r, deadline] {
        const auto from = clock::now();
        r.server.stop(deadline);
        return clock::now() - from;
    });
}

bool is_refused(std::uint16_t port) {
    try {
        client c(port);
        return c.send(request_text("GET", "/")).receive().status == 0;
    } catch (const std::runtime_error&) {
        return true;
    }
}

}  // namespace

TEST_CASE("a server that stops lets the running request end", "[serve_http][stop]") {
    running r;
    client idle = r.connect();
    CHECK(idle.send(request_text("GET", "/")).receive().status == 200);
    client busy = r.connect();
    busy.send(request_text("POST", "/keep", "{}") + request_text("GET", "/never"));
    const serve::exchange with = r.handler.next();
    client streaming = r.connect();
    streaming.send(request_text("POST", "/keep", "{}"));
    const serve::exchange stream = r.handler.next();
    stream.reply->begin(200, "text/event-stream");
    CHECK(streaming.receive_through("\r\n\r\n").ends_with("\r\n\r\n"));
    auto stopped = stop(r, 30s);
    CHECK(idle.is_closed());
    CHECK(eventually([&] { return is_refused(r.server.port()); }));
    CHECK_FALSE(with.cancel.stop_requested());
    with.reply->send(200, "text/plain", "done");
    const reply got = busy.receive();
    CHECK(got.body == "done");
    CHECK(got.says("Connection: close"));
    CHECK(busy.is_closed());
    busy.close();
    stream.reply->write("data: 1\n\n");
    stream.reply->end();
    CHECK(streaming.receive_chunk() == "data: 1\n\n");
    CHECK(streaming.receive_chunk().empty());
    CHECK(streaming.is_closed());
    streaming.close();
    CHECK(stopped.get() < 10s);
    CHECK(r.handler.count() == 3);
}

TEST_CASE("a request that arrives while the server stops is answered", "[serve_http][stop]") {
    running r;
    client c = r.connect();
    c.send("POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nab");
    usleep(20'000);
    auto stopped = stop(r, 30s);
    usleep(20'000);
    CHECK(c.send("cd").receive().body == "POST / abcd");
    CHECK(c.is_closed());
    c.close();
    CHECK(stopped.get() < 10s);
}

TEST_CASE("at the deadline the request that still runs is cancelled", "[serve_http][stop]") {
    running r;
    client c = r.connect();
    c.send(request_text("POST", "/keep", "{}"));
    const serve::exchange with = r.handler.next();
    client reading = r.connect();
    reading.send("GET / HT");
    const auto took = stop(r, 200ms).get();
    CHECK(took >= 200ms);
    CHECK(took < 2s);
    CHECK(with.cancel.stop_requested());
    CHECK(c.is_closed());
    CHECK(reading.is_closed());
    r.server.stop(10s);  // does nothing
}

TEST_CASE("a server that was not started stops", "[serve_http][stop]") {
    scripted handler;
    serve::http_server server({}, handler);
    server.stop(1s);
}
