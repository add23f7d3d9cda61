// SPDX-License-Identifier: MIT
#include <serve/api_keys.hpp>
#include <serve/run_server.hpp>

#include <algorithm>
#include <fstream>
#include <future>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

#include "client.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"

using namespace serve_test;

namespace {

serve::http_options free_port() {
    serve::http_options options;
    options.port = 0;
    return options;
}

std::vector<std::string> keys_in(const std::string& text) {
    const support::temporary_folder folder;
    const auto path = folder.path() / "keys";
    std::ofstream(path) << text;
    return serve::read_api_keys(path.string());
}

}  // namespace

TEST_CASE("the line for editors names the address that they reach", "[serve_http][run]") {
    CHECK(serve::editor_setup("127.0.0.1", 8012) ==
          "earlyout serves http://127.0.0.1:8012; llama.vim: let g:llama_config = {'endpoint_fim': "
          "'http://127.0.0.1:8012/infill'}; llama.vscode: \"llama-vscode.endpoint\": \"http://127.0.0.1:8012\"");
    CHECK(serve::editor_setup("0.0.0.0", 1).starts_with("earlyout serves http://127.0.0.1:1;"));
    CHECK(serve::editor_setup("::1", 1).starts_with("earlyout serves http://[::1]:1;"));
}

TEST_CASE("a server runs until it is stopped", "[serve_http][run]") {
    scripted handler;
    std::stop_source stop;
    std::ostringstream out;
    std::promise<void> loaded;
    auto served = std::async(std::launch::async, [&] {
        return serve::run_server(
            free_port(), handler, [&] { loaded.set_value(); }, stop.get_token(), 1s, out);
    });
    loaded.get_future().get();
    usleep(20'000);
    CHECK(served.wait_for(0s) == std::future_status::timeout);
    stop.request_stop();
    CHECK(served.get());
    CHECK(out.str().starts_with("earlyout serves http://127.0.0.1:"));
    CHECK(std::ranges::count(out.str(), '\n') == 1);
}

TEST_CASE("a model that cannot be loaded ends the server with its error", "[serve_http][run]") {
    scripted handler;
    std::ostringstream out;
    const auto fail = [] { throw std::runtime_error("no such model"); };
    CHECK(support::error_of([&] { (void)serve::run_server(free_port(), handler, fail, {}, 1s, out); }).message ==
          "no such model");
    CHECK(out.str().empty());
}

TEST_CASE("a server that is stopped while the model loads does not wait for it", "[serve_http][run]") {
    scripted handler;
    std::stop_source stop;
    std::ostringstream out;
    const auto finish = std::make_shared<std::promise<void>>();
    const auto finished = std::make_shared<std::promise<void>>();
    stop.request_stop();
    const auto load = [finish, finished] {
        finish->get_future().get();
        finished->set_value();
    };
    CHECK_FALSE(serve::run_server(free_port(), handler, load, stop.get_token(), 1s, out));
    finish->set_value();
    finished->get_future().get();
    CHECK(out.str().empty());
}

TEST_CASE("API keys are read from a file, one in each line", "[serve_http][keys]") {
    CHECK(keys_in("# mine\nsk-1\n\n  sk-2 \r\n#sk-3") == std::vector<std::string>{"sk-1", "sk-2"});
    CHECK(support::error_of([] { (void)keys_in("# none\n\n"); }) ==
          support::thrown(earlyout::errc::malformed_file, {"keys", "expected at least one API key"}));
    const auto two = support::error_of([] { (void)keys_in("a\nsk-secret b\n"); });
    CHECK(two == support::thrown(earlyout::errc::malformed_file, {"keys: line 2"}));
    CHECK(two.message.find("secret") == std::string::npos);
    CHECK(support::error_of([] { (void)serve::read_api_keys("/no/such/file"); }) ==
          support::thrown(earlyout::errc::no_such_file, {"/no/such/file", "No such file"}));
}
