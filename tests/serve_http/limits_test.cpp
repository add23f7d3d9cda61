// SPDX-License-Identifier: MIT
#include <nlohmann/json.hpp>

#include <random>
#include <string>
#include <vector>

#include "client.hpp"
#include "support/catch.hpp"

using namespace serve_test;

namespace {

serve::http_options small_limits() {
    serve::http_options options;
    options.max_header_bytes = 2000;
    options.max_body_bytes = 10'000;
    options.header_time = 150ms;
    options.body_time = 150ms;
    options.idle_time = 150ms;
    return options;
}

/// The reply is an error in the shape that clients of llama.cpp's server know.
void check_error(const reply& got, int status) {
    CHECK(got.status == status);
    CHECK(got.complete);
    CHECK(got.says("Connection: close\r\n"));
    const auto body = nlohmann::json::parse(got.body, nullptr, false);
    REQUIRE(body.contains("error"));
    CHECK(body["error"]["code"] == status);
    CHECK(body["error"]["type"] == (status == 503 ? "unavailable_error" : "invalid_request_error"));
    CHECK_FALSE(body["error"]["message"].get<std::string>().empty());
}

}  // namespace

TEST_CASE("a body that is too large is refused, and the client reads why", "[serve_http][limits]") {
    running r(small_limits());
    client exact = r.connect();
    CHECK(exact.send(request_text("POST", "/", std::string(10'000, 'x'))).receive().status == 200);
    for (const std::size_t size : {std::size_t{10'001}, std::size_t{5'000'000}}) {
        client c = r.connect();
        check_error(c.send(request_text("POST", "/", std::string(size, 'x'))).receive(), 413);
        CHECK(c.is_closed());
        CHECK_FALSE(c.was_reset());
    }
    client chunked = r.connect();
    chunked.send("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 12; ++i) chunked.send("3e8\r\n" + std::string(1000, 'x') + "\r\n");
    check_error(chunked.receive(), 413);
    client absurd = r.connect();
    absurd.send("POST / HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n");
    check_error(absurd.receive(), 413);
    client expecting = r.connect();
    expecting.send("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 10001\r\n\r\n");
    check_error(expecting.receive(), 413);  // without its body
    CHECK(r.handler.count() == 1);
}

TEST_CASE("headers that are too large are refused", "[serve_http][limits]") {
    running r(small_limits());
    client c = r.connect();
    check_error(c.send(request_text("GET", "/", {}, "X: " + std::string(3000, 'x') + "\r\n")).receive(), 431);
    CHECK(c.is_closed());
    client endless = r.connect();
    check_error(endless.send("GET /" + std::string(500'000, 'x')).receive(), 431);
    CHECK(r.handler.count() == 0);
}

TEST_CASE("a request that arrives too slowly is refused", "[serve_http][limits]") {
    running r(small_limits());
    SECTION("headers, however often a byte of them comes") {
        client c = r.connect();
        c.send("GET / HTTP/1.1\r\n");
        std::string got;
        for (int i = 0; i < 40 && got.empty(); ++i) {
            c.send("X");
            got = c.receive_bytes(1, 20ms);
        }
        CHECK(got == "H");
        CHECK(c.receive_all().starts_with("TTP/1.1 408 Request Timeout\r\n"));
    }
    SECTION("body") {
        client c = r.connect();
        check_error(c.send("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc").receive(), 408);
        CHECK(c.is_closed());
    }
    SECTION("a silent connection is closed without a reply") {
        client c = r.connect();
        CHECK(c.receive_all(2s).empty());
        CHECK(c.is_closed(1s));
        client later = r.connect();
        CHECK(later.send(request_text("GET", "/")).receive().status == 200);
        CHECK(later.receive_all(2s).empty());
        CHECK(later.is_closed(1s));
        client blank = r.connect();
        CHECK(blank.send("\r\n\r\n").receive_all(2s).empty());
        CHECK(blank.is_closed(1s));
    }
    SECTION("a reply may take longer than any of these limits") {
        client c = r.connect();
        c.send(request_text("GET", "/keep"));
        const serve::exchange with = r.handler.next();
        CHECK_FALSE(eventually([&] { return with.cancel.stop_requested(); }, 400ms));
        with.reply->send(200, "text/plain", "slow");
        CHECK(c.receive().body == "slow");
    }
}

TEST_CASE("malformed requests are refused", "[serve_http][limits]") {
    running r(small_limits());
    for (const std::string text :
         {"GET\r\n\r\n", "GET /\r\n\r\n", " GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n",
          "G\x01T / HTTP/1.1\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: ten\r\n\r\n",
          "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
          "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
          "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"}) {
        INFO(text);
        client c = r.connect();
        check_error(c.send(text).receive(), 400);
        CHECK(c.is_closed());
    }
    client two = r.connect();
    check_error(two.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").receive(), 505);
    client packed = r.connect();
    check_error(packed.send(request_text("POST", "/", "abc", "Content-Encoding: gzip\r\n")).receive(), 415);
    CHECK(r.handler.count() == 0);
    CHECK(r.connect().send(request_text("GET", "/")).receive().status == 200);
}

TEST_CASE("random bytes end with an error or a close", "[serve_http][limits]") {
    running r(small_limits());
    std::mt19937 random(7);
    for (int i = 0; i < 100; ++i) {
        std::string bytes(random() % 3000 + 1, '\0');
        for (char& c : bytes) c = static_cast<char>(random());
        // Half of them begin well.
        if (i % 2 == 0) bytes = request_text("POST", "/x", {}, "Content-Length: 100\r\nX: ") + bytes;
        client c = r.connect();
        CHECK(c.send(bytes).is_closed(5s));
    }
    CHECK(r.connect().send(request_text("GET", "/")).receive().status == 200);
}

TEST_CASE("connections beyond the limit get 503, and there is room again when others close", "[serve_http][limits]") {
    serve::http_options options;
    options.max_connections = 4;
    running r(options);
    std::vector<client> open;
    for (int i = 0; i < 4; ++i) {
        open.push_back(r.connect());
        CHECK(open.back().send(request_text("GET", "/")).receive().status == 200);
    }
    client refused = r.connect();
    const reply got = refused.send(request_text("GET", "/")).receive();
    check_error(got, 503);
    CHECK(got.says("Retry-After: 1\r\n"));
    open.pop_back();  // while the refused one has not closed
    CHECK(eventually([&] { return r.connect().send(request_text("GET", "/")).receive().status == 200; }, 5s));
}
