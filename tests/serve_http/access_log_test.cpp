// SPDX-License-Identifier: MIT
#include <serve/access_log.hpp>

#include <nlohmann/json.hpp>

#include <chrono>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "client.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"

using namespace serve_test;

namespace {

std::vector<std::string> lines_of(const std::string& path) {
    std::vector<std::string> lines;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
}

/// The log's lines, once there are n.
std::vector<nlohmann::json> logged(const std::string& path, std::size_t n) {
    eventually([&] { return lines_of(path).size() >= n; });
    std::vector<nlohmann::json> made;
    for (const std::string& line : lines_of(path)) made.push_back(nlohmann::json::parse(line));
    REQUIRE(made.size() == n);
    return made;
}

}  // namespace

TEST_CASE("a time is written in UTC with milliseconds", "[serve_http][log]") {
    using namespace std::chrono;
    CHECK(serve::utc_text(system_clock::time_point(milliseconds(0))) == "1970-01-01T00:00:00.000Z");
    CHECK(serve::utc_text(system_clock::time_point(milliseconds(1'767'225'599'007))) == "2025-12-31T23:59:59.007Z");
}

TEST_CASE("a record is one line of JSON, whatever bytes a client sent", "[serve_http][log]") {
    serve::access_record record;
    record.target = "/a\n\"\xff?secret=1";
    record.notes = {{"tokens", "12"}, {"exits", "[1,2]"}, {"bad", "{"}, {"status", "7"}};
    const std::string line = serve::to_line(record);
    CHECK(line.find('\n') == std::string::npos);
    CHECK(line.find("secret") == std::string::npos);
    const auto read = nlohmann::json::parse(line);
    CHECK(read["path"].get<std::string>().starts_with("/a\n\""));
    CHECK(read["tokens"] == 12);
    CHECK(read["exits"] == nlohmann::json::array({1, 2}));
    CHECK(read["bad"] == "{");
    CHECK(read["status"] == 0);
}

TEST_CASE("each finished request is logged, without body and key", "[serve_http][log]") {
    const support::temporary_folder folder;
    const std::string path = (folder.path() / "access.log").string();
    serve::access_log log(path);
    serve::http_options options;
    options.log = &log;
    options.max_body_bytes = 1000;
    running r(options, [](serve::exchange with) {
        with.reply->note("tokens", "3");
        with.reply->send(200, "text/plain", "12345");
    });
    client c = r.connect();
    c.send(request_text("POST", "/infill?api_key=sk-query", "sk-body",
                        "Authorization: Bearer sk-bearer\r\nX-Api-Key: sk-header\r\n"))
        .receive();
    auto lines = logged(path, 1);
    CHECK(lines[0]["client"] == "127.0.0.1");
    CHECK(lines[0]["method"] == "POST");
    CHECK(lines[0]["path"] == "/infill");
    CHECK(lines[0]["status"] == 200);
    CHECK(lines[0]["request_bytes"] == 7);
    CHECK(lines[0]["response_bytes"] == 5);
    CHECK(lines[0]["tokens"] == 3);
    CHECK(lines[0]["cancelled"] == false);
    CHECK(lines[0]["total_ms"].get<double>() >= lines[0]["first_byte_ms"].get<double>());
    CHECK(lines[0]["time"].get<std::string>().size() == 24);

    c.send(request_text("POST", "/keep", "b"));
    serve::exchange with = r.handler.next();
    c.close();
    lines = logged(path, 2);
    CHECK(lines[1]["cancelled"] == true);
    CHECK(lines[1]["status"] == 0);
    CHECK_FALSE(lines[1].contains("tokens"));

    r.connect().send(request_text("POST", "/large", std::string(2000, 'x'))).receive();
    lines = logged(path, 3);
    CHECK(lines[2]["status"] == 413);
    CHECK(lines[2]["path"] == "/large");

    r.connect().send("rubbish\r\n\r\n").receive();
    lines = logged(path, 4);
    CHECK(lines[3]["status"] == 400);
    for (const std::string& line : lines_of(path)) CHECK(line.find("sk-") == std::string::npos);
}

TEST_CASE("lines of several threads are not mixed, and a log is appended to", "[serve_http][log]") {
    const support::temporary_folder folder;
    const std::string path = (folder.path() / "access.log").string();
    for (int round = 0; round < 2; ++round) {
        serve::access_log log(path);
        std::vector<std::thread> writing;
        for (int i = 0; i < 4; ++i) {
            writing.emplace_back([&] {
                serve::access_record record;
                record.target = '/' + std::string(3000, 'x');
                for (int n = 0; n < 100; ++n) log.write(record);
            });
        }
        for (std::thread& one : writing) one.join();
    }
    CHECK(logged(path, 800).size() == 800);
}

TEST_CASE("a log that cannot be opened is refused", "[serve_http][log]") {
    CHECK(support::error_of([] { const serve::access_log log("/no/such/folder/log"); }) ==
          support::thrown(earlyout::errc::io, {"/no/such/folder/log", "access log", "No such file"}));
    serve::access_log nothing;
    nothing.write({});
}
