// SPDX-License-Identifier: MIT
#include "run_server.hpp"

#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

namespace serve {

namespace {

/// What the loading thread tells; shared, since that thread may be the last to use it.
struct loading {
    std::mutex mutex;
    std::condition_variable changed;
    bool is_over = false;
    std::exception_ptr problem;
};

void load_into(loading& told, const std::function<void()>& load) {
    std::exception_ptr problem;
    try {
        load();
    } catch (...) {
        problem = std::current_exception();
    }
    const std::lock_guard lock(told.mutex);
    told.is_over = true;
    told.problem = problem;
    told.changed.notify_all();
}

/// A name that editors on this machine reach, where the server listens on all addresses.
std::string reachable(const std::string& host) {
    if (host == "0.0.0.0" || host == "::" || host.empty()) return "127.0.0.1";
    return host.find(':') == std::string::npos ? host : '[' + host + ']';
}

}  // namespace

std::string editor_setup(const std::string& host, std::uint16_t port) {
    const std::string url = "http://" + reachable(host) + ':' + std::to_string(port);
    return "earlyout serves " + url + "; llama.vim: let g:llama_config = {'endpoint_fim': '" + url +
           R"(/infill'}; llama.vscode: "llama-vscode.endpoint": ")" + url + '"';
}

bool run_server(const http_options& options, handler& answers, std::function<void()> load, const std::stop_token& stop,
                std::chrono::milliseconds deadline, std::ostream& to) {
    http_server server(options, answers);
    server.start();
    const auto told = std::make_shared<loading>();
    std::thread loader([told, load = std::move(load)] { load_into(*told, load); });
    const std::stop_callback wake(stop, [told] {
        const std::lock_guard lock(told->mutex);  // whoever waits has not looked yet, or sleeps
        told->changed.notify_all();
    });
    std::unique_lock lock(told->mutex);
    told->changed.wait(lock, [&] { return told->is_over || stop.stop_requested(); });
    if (told->is_over && !told->problem) {
        to << editor_setup(options.host, server.port()) << std::endl;
        told->changed.wait(lock, [&] { return stop.stop_requested(); });
    }
    const bool is_over = told->is_over;
    const std::exception_ptr problem = told->problem;
    lock.unlock();
    server.stop(deadline);
    if (!is_over) {
        loader.detach();
        return false;
    }
    loader.join();
    if (problem) std::rethrow_exception(problem);
    return true;
}

}  // namespace serve
