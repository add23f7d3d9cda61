// SPDX-License-Identifier: MIT
// The model that `earlyout serve` serves.
#include "serve.hpp"

#include <earlyout/core/error.hpp>

#include <serve/run_server.hpp>

namespace cli {

void serve_model(const serve_options& o, const std::stop_token& stop) {
    (void)o, (void)stop;
    eo::fail(eo::errc::unsupported, "serve: expected an engine, found none in this build");
}

}  // namespace cli
