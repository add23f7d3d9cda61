// SPDX-License-Identifier: MIT
#include <string>

#include "client.hpp"
#include "support/catch.hpp"

using namespace serve_test;

TEST_CASE("each part of a stream is sent when it is written", "[serve_http][stream]") {
    running r;
    client c = r.connect();
    c.send(request_text("POST", "/keep", "{}"));
    const serve::exchange with = r.handler.next();
    with.reply->begin(200, "text/event-stream");
    const reply head{200, c.receive_through("\r\n\r\n"), {}, true};
    CHECK(head.says("Transfer-Encoding: chunked\r\n"));
    CHECK(head.says("Content-Type: text/event-stream\r\n"));
    CHECK(head.says("Cache-Control: no-cache\r\n"));
    for (int i = 0; i < 20; ++i) {
        const std::string event = "data: {\"content\":\"" + std::string(static_cast<std::size_t>(i), 'x') + "\"}\n\n";
        with.reply->write(event);
        CHECK(c.receive_chunk() == event);  // before the next one is written
    }
    with.reply->write("");  // which would end the body
    with.reply->write("last");
    CHECK(c.receive_chunk() == "last");
    with.reply->end();
    CHECK(c.receive_chunk().empty());
    CHECK_FALSE(with.cancel.stop_requested());
    CHECK(c.send(request_text("GET", "/next")).receive().body == "GET /next ");
}

TEST_CASE("a stream's head is sent before its first part", "[serve_http][stream]") {
    running r;
    client c = r.connect();
    c.send(request_text("POST", "/keep", "{}"));
    const serve::exchange with = r.handler.next();
    with.reply->begin(200, "text/event-stream");
    CHECK(c.receive_through("\r\n\r\n").ends_with("\r\n\r\n"));
    with.reply->end();
    CHECK(c.receive_chunk().empty());
}

TEST_CASE("a stream that is given up ends without its last chunk", "[serve_http][stream]") {
    running r({}, [](serve::exchange with) {
        with.reply->begin(200, "text/event-stream");
        with.reply->write("data: 1\n\n");
    });
    client c = r.connect();
    const reply got = c.send(request_text("GET", "/")).receive();
    CHECK_FALSE(got.complete);
    CHECK(c.is_closed());
}

TEST_CASE("a client that reads slowly gets everything", "[serve_http][stream]") {
    running r;
    client c = r.connect(4096);
    c.send(request_text("GET", "/keep"));
    const serve::exchange with = r.handler.next();
    with.reply->begin(200, "text/event-stream");
    std::string expected;
    for (int i = 0; i < 100; ++i) {
        const std::string part(5000, static_cast<char>('a' + i % 26));
        with.reply->write(part);
        expected += part;
    }
    with.reply->end();
    usleep(50'000);
    CHECK(c.receive().body == expected);
}

TEST_CASE("a large reply needs no room in the stream's queue", "[serve_http][stream]") {
    serve::http_options options;
    options.max_queued_bytes = 1000;
    running r(options);
    client c = r.connect(4096);
    c.send(request_text("GET", "/keep"));
    const serve::exchange with = r.handler.next();
    const std::string body(3'000'000, 'b');
    with.reply->send(200, "text/plain", body);
    CHECK(c.receive().body == body);
}

TEST_CASE("a client that does not read is cut off before its stream fills the memory", "[serve_http][stream]") {
    running r;
    client c = r.connect(4096);
    c.send(request_text("GET", "/keep"));
    const serve::exchange with = r.handler.next();
    with.reply->begin(200, "text/event-stream");
    std::size_t written = 0;
    while (!with.cancel.stop_requested() && written < (std::size_t{64} << 20)) {
        with.reply->write(std::string(65536, 'x'));
        written += 65536;
        usleep(200);
    }
    CHECK(with.cancel.stop_requested());
    CHECK(written < (std::size_t{32} << 20));  // what the system keeps for the socket, and the queue
}

TEST_CASE("a client that takes nothing of a reply for too long is cut off", "[serve_http][stream]") {
    serve::http_options options;
    options.write_time = 200ms;
    running r(options);
    client c = r.connect(4096);
    c.send(request_text("GET", "/keep"));
    const serve::exchange with = r.handler.next();
    with.reply->send(200, "text/plain", std::string(std::size_t{32} << 20, 'x'));
    CHECK(eventually([&] { return with.cancel.stop_requested(); }, 5s));
}
