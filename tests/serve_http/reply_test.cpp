// SPDX-License-Identifier: MIT
#include <earlyout/core/error.hpp>

#include <nlohmann/json.hpp>

#include <atomic>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "client.hpp"
#include "support/catch.hpp"

using namespace serve_test;

TEST_CASE("a request reaches the handler, and its reply the client", "[serve_http]") {
    serve::request seen;
    running r({}, [&](serve::exchange with) {
        seen = with.asked;
        with.reply->send(200, "application/json; charset=utf-8", R"({"a":1})");
    });
    client c = r.connect();
    const reply got =
        c.send(request_text("POST", "/infill?x=1", "the body", "Authorization: Bearer k\r\nX-Api-Key: other\r\n"))
            .receive();
    CHECK(got.status == 200);
    CHECK(got.body == R"({"a":1})");
    CHECK(got.head.starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(got.says("Server: earlyout\r\n"));
    CHECK(got.says("Content-Type: application/json; charset=utf-8\r\n"));
    CHECK_FALSE(got.says("Connection:"));
    CHECK_FALSE(got.says("Access-Control"));
    CHECK(seen.method == "POST");
    CHECK(seen.target == "/infill?x=1");
    CHECK(seen.body == "the body");
    CHECK(seen.authorization == "Bearer k");
    CHECK(seen.api_key == "other");
}

TEST_CASE("a connection takes one request after another", "[serve_http]") {
    running r;
    client c = r.connect();
    for (int i = 0; i < 20; ++i) {
        const std::string target = "/" + std::to_string(i);
        CHECK(c.send(request_text("POST", target, "x\r\n")).receive().body == "POST " + target + " x\r\n");
        if (i % 2 == 0) c.send("\r\n");  // as some clients end a body
    }
    const reply last = c.send(request_text("GET", "/last", {}, "Connection: close\r\n")).receive();
    CHECK(last.body == "GET /last ");
    CHECK(last.says("Connection: close\r\n"));
    CHECK(c.is_closed());
}

TEST_CASE("requests that arrive early are answered in order, one at a time", "[serve_http]") {
    running r;
    client c = r.connect();
    c.send(request_text("POST", "/keep/1", "one") + request_text("POST", "/keep/2", "two") + request_text("GET", "/3"));
    serve::exchange first = r.handler.next();
    CHECK_FALSE(eventually([&] { return r.handler.count() > 1; }, 50ms));
    // The rest of the next request arrives while the first is being answered.
    c.send(request_text("POST", "/4", std::string(100'000, '4')).substr(0, 50'000));
    CHECK_FALSE(eventually([&] { return first.cancel.stop_requested(); }, 50ms));
    first.reply->send(200, "text/plain", first.asked.body);
    CHECK(c.receive().body == "one");
    serve::exchange second = r.handler.next();
    second.reply->begin(200, "text/event-stream");
    second.reply->write(second.asked.body);
    second.reply->end();
    CHECK(c.receive().body == "two");
    CHECK(c.receive().body == "GET /3 ");
    c.send(request_text("POST", "/4", std::string(100'000, '4')).substr(50'000));
    CHECK(c.receive().body == "POST /4 " + std::string(100'000, '4'));
    // A late call, and the end of the first sink, change nothing.
    first.reply->send(500, "text/plain", "late");
    first.reply.reset();
    CHECK(c.send(request_text("GET", "/5")).receive().body == "GET /5 ");
}

TEST_CASE("a pipeline of a thousand requests comes back in order", "[serve_http]") {
    running r;
    client c = r.connect();
    std::string all;
    for (int i = 0; i < 1000; ++i) all += request_text("GET", "/" + std::to_string(i));
    std::thread sending([&] { c.send(all); });
    int wrong = 0;
    for (int i = 0; i < 1000; ++i) wrong += c.receive().body != "GET /" + std::to_string(i) + ' ';
    sending.join();
    CHECK(wrong == 0);
}

TEST_CASE("a sink that ends while the next request begins does not answer it", "[serve_http]") {
    std::vector<serve::exchange> waiting;
    std::mutex mutex;
    std::atomic<bool> over{false};
    running r({}, [&](serve::exchange with) {
        const std::lock_guard lock(mutex);
        waiting.push_back(std::move(with));
    });
    std::thread answering([&] {
        for (int i = 0; !over; ++i) {
            std::unique_lock lock(mutex);
            if (waiting.empty()) continue;
            serve::exchange with = std::move(waiting.back());
            waiting.pop_back();
            lock.unlock();
            with.reply->send(200, "text/plain", with.asked.target);
            // Calls that come late by various times.
            for (int n = 0; n < i % 20; ++n) with.reply->end();
            with.reply->send(200, "text/plain", "late");
        }
    });
    std::string all;
    for (int i = 0; i < 3000; ++i) all += request_text("GET", "/" + std::to_string(i));
    client c = r.connect();
    std::thread sending([&] { c.send(all); });
    int wrong = 0;
    for (int i = 0; i < 3000; ++i) wrong += c.receive().body != "/" + std::to_string(i);
    sending.join();
    over = true;
    answering.join();
    CHECK(wrong == 0);
}

TEST_CASE("HTTP/1.0: a stream ends with the connection, a reply keeps it if the client says so", "[serve_http]") {
    running r;
    {
        client c = r.connect();
        c.send("POST /keep HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi");
        serve::exchange with = r.handler.next();
        with.reply->begin(200, "text/event-stream");
        with.reply->write("data: 1\n\n");
        CHECK(c.receive_through("1\n\n").ends_with("\r\n\r\ndata: 1\n\n"));
        with.reply->write("data: 2\n\n");
        with.reply->end();
        CHECK(c.receive_all() == "data: 2\n\n");
        CHECK(c.is_closed());
    }
    client closing = r.connect();
    CHECK(closing.send("GET / HTTP/1.0\r\n\r\n").receive().says("Connection: close"));
    CHECK(closing.is_closed());
    client c = r.connect();
    for (int i = 0; i < 2; ++i) {
        CHECK(c.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").receive().says("Connection: keep-alive"));
    }
}

TEST_CASE("HEAD has the headers of GET and no body", "[serve_http]") {
    running r({}, [](serve::exchange with) {
        if (with.asked.target == "/stream") {
            with.reply->begin(200, "text/plain");
            with.reply->write("hidden");
            return with.reply->end();
        }
        with.reply->send(200, "text/plain", with.asked.method);
    });
    client c = r.connect();
    const reply head = c.send(request_text("HEAD", "/")).receive(false);
    CHECK(head.says("Content-Length: 3"));
    CHECK(c.send(request_text("HEAD", "/stream")).receive(false).status == 200);
    CHECK(c.send(request_text("GET", "/")).receive().body == "GET");
}

TEST_CASE("a client that expects 100-continue gets it before its body", "[serve_http]") {
    running r;
    client c = r.connect();
    c.send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    CHECK(c.receive_through("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
    CHECK(c.send("abc").receive().body == "POST / abc");
    CHECK(c.send(request_text("POST", "/", "abc", "Expect: tea\r\n")).receive().status == 417);
}

TEST_CASE("a body may come in chunks", "[serve_http]") {
    running r;
    client c = r.connect();
    c.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    c.send("2\r\nde\r\n0\r\n\r\n");
    CHECK(c.receive().body == "POST / abcde");
}

TEST_CASE("CORS is there only if it is wanted", "[serve_http]") {
    running without;
    client plain = without.connect();
    CHECK(plain.send(request_text("OPTIONS", "/infill")).receive().body == "OPTIONS /infill ");

    serve::http_options options;
    options.cors_origin = "https://editor.example";
    running with(options);
    client c = with.connect();
    const reply preflight = c.send(request_text("OPTIONS", "/infill")).receive();
    CHECK(preflight.status == 204);
    CHECK(preflight.says("Access-Control-Allow-Origin: https://editor.example\r\n"));
    CHECK(preflight.says("Access-Control-Allow-Headers: Authorization, Content-Type, X-Api-Key\r\n"));
    CHECK(with.handler.count() == 0);
    const reply got = c.send(request_text("POST", "/infill", "b")).receive();
    CHECK(got.says("Access-Control-Allow-Origin: https://editor.example\r\n"));
    CHECK(got.says("Vary: Origin\r\n"));
    CHECK_FALSE(got.says("Access-Control-Allow-Methods"));
}

TEST_CASE("a server that has names answers to no other", "[serve_http]") {
    serve::http_options options;
    options.host_names = {"127.0.0.1", "localhost", "::1", "Proxy.example"};
    running r(options);
    const auto status_of = [&](const std::string& host) {
        client c = r.connect();
        return c.send("GET / HTTP/1.1\r\n" + host + "\r\n").receive().status;
    };
    for (const char* const name :
         {"127.0.0.1:8012", "localhost", "LOCALHOST:1", "localhost.:8012", "[::1]:8012", "[::1]", "proxy.example"}) {
        INFO(name);
        CHECK(status_of("Host: " + std::string(name) + "\r\n") == 200);
    }
    CHECK(status_of("") == 200);  // no browser
    CHECK(r.handler.count() == 8);
    for (const char* const name : {"evil.example:8012", "localhost.evil.example", "127.0.0.1.evil.example", "[::1", "[",
                                   ":8012", "proxy.example.evil"}) {
        INFO(name);
        CHECK(status_of("Host: " + std::string(name) + "\r\n") == 403);
    }
    CHECK(r.handler.count() == 8);
}

TEST_CASE("a handler that throws or forgets its reply is answered for", "[serve_http]") {
    running r({}, [](serve::exchange with) {
        if (with.asked.target == "/throws") throw std::runtime_error("no \"luck\"");
    });
    client c = r.connect();
    const reply thrown = c.send(request_text("GET", "/throws")).receive();
    CHECK(thrown.status == 500);
    CHECK(nlohmann::json::parse(thrown.body)["error"]["message"] == "no \"luck\"");
    const reply forgotten = c.send(request_text("GET", "/forgets")).receive();
    CHECK(forgotten.status == 500);
    CHECK(nlohmann::json::parse(forgotten.body)["error"]["type"] == "server_error");
}

TEST_CASE("64 clients at once, from several threads of the handler", "[serve_http]") {
    std::vector<std::thread> answering;
    std::mutex mutex;
    running r({}, [&](serve::exchange with) {
        const std::lock_guard lock(mutex);
        answering.emplace_back([with = std::move(with)] {
            with.reply->begin(200, "text/event-stream");
            for (int i = 0; i < 50; ++i) with.reply->write("data: " + with.asked.target + "\n\n");
            with.reply->end();
        });
    });
    std::atomic<int> right{0};
    std::vector<std::thread> clients;
    for (int i = 0; i < 64; ++i) {
        clients.emplace_back([&, i] {
            client c = r.connect();
            for (int n = 0; n < 3; ++n) {
                const std::string target = "/" + std::to_string(i) + "/" + std::to_string(n);
                std::string expected;
                for (int k = 0; k < 50; ++k) expected += "data: " + target + "\n\n";
                right += c.send(request_text("GET", target)).receive().body == expected;
            }
        });
    }
    for (std::thread& one : clients) one.join();
    const std::lock_guard lock(mutex);
    for (std::thread& one : answering) one.join();
    CHECK(right == 64 * 3);
}

TEST_CASE("an address that is in use is named with the cause", "[serve_http]") {
    running r;
    serve::http_options options;
    options.port = r.server.port();
    scripted handler;
    serve::http_server second(options, handler);
    const std::string expected = "127.0.0.1:" + std::to_string(options.port) +
                                 ": expected an address that the server can listen on, found: Address already in use";
    try {
        second.start();
        FAIL("it started");
    } catch (const earlyout::error& e) {
        CHECK(std::string(e.what()) == expected);
        CHECK(e.code() == earlyout::errc::io);
    }
    options.host = "256.0.0.1";
    serve::http_server nowhere(options, handler);
    CHECK_THROWS_AS(nowhere.start(), earlyout::error);
}
