// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_SERVE_HPP
#define EARLYOUT_EXAMPLES_CLI_SERVE_HPP

#include "options.hpp"

#include <serve/http_server.hpp>

#include <chrono>
#include <cstddef>
#include <stop_token>
#include <string>
#include <vector>

namespace cli {

/// What `earlyout serve` is told.
struct serve_options {
    model_options model;
    weight_options weights;
    run_options run;
    exit_options exits;
    draft_options drafts;
    serve::http_options http;
    std::size_t slots = 4;
    std::size_t kv_memory = 0;  ///< bytes; 0: twice the slots times the capacity
    std::string fim_order = "auto";
    std::string api_key_file;
    std::vector<std::string> api_keys;    ///< of that file; empty: none is needed
    std::vector<std::string> host_names;  ///< besides the address
    std::string access_log;
    double timeout = 30.0;        ///< seconds
    double stop_deadline = 10.0;  ///< seconds

    [[nodiscard]] std::chrono::milliseconds deadline() const {
        return std::chrono::milliseconds(static_cast<long long>(stop_deadline * 1000.0));
    }
};

/// Loads the model and serves it until `stop` is triggered.
/// @throws earlyout::error when the address cannot be listened on, or the model cannot be served
void serve_model(const serve_options& o, const std::stop_token& stop);

/// Ends the process with status 0 while a thread still loads the model: it cannot be interrupted, and uses what
/// returning would destroy.
[[noreturn]] void end_while_loading();

}  // namespace cli

#endif
