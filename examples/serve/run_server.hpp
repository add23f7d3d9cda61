// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_RUN_SERVER_HPP
#define EARLYOUT_EXAMPLES_SERVE_RUN_SERVER_HPP

#include "exchange.hpp"
#include "http_server.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <ostream>
#include <stop_token>
#include <string>

/// @file A server's life: listen, load the model meanwhile, serve, stop.

namespace serve {

/// Returns the line that says what to configure in llama.vim and llama.vscode.
[[nodiscard]] std::string editor_setup(const std::string& host, std::uint16_t port);

/// Listens, runs load() on another thread, writes editor_setup() once it has returned, and serves until `stop` is
/// triggered; then lets requests end until `deadline` has passed.
/// @return false: load() had not returned when `stop` was triggered. It cannot be interrupted and still runs, so the
///         process must end without destroying what it uses.
/// @throws earlyout::error (io) when the address cannot be listened on, and whatever load() throws
[[nodiscard]] bool run_server(const http_options& options, handler& answers, std::function<void()> load,
                              const std::stop_token& stop, std::chrono::milliseconds deadline, std::ostream& to);

}  // namespace serve

#endif
