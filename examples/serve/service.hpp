// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_SERVICE_HPP
#define EARLYOUT_EXAMPLES_SERVE_SERVICE_HPP

#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "engine.hpp"
#include "exchange.hpp"
#include "loaded_model.hpp"
#include "model_facts.hpp"
#include "slot_table.hpp"

namespace serve {

struct service_options {
    std::set<std::string> api_keys;  ///< any of them is accepted; empty: none is needed
    std::string page;                ///< HTML at /; empty: there is none
};

/// Answers the requests of llama.cpp's and OpenAI's APIs that editors send. Constructed before the model is loaded, so
/// that /health answers at once. handle() may be called from any thread.
class service final : public handler {
public:
    explicit service(service_options options) : options_(std::move(options)) {}

    /// From now on requests are answered by this model.
    /// @param on must outlive the service and every completion
    /// @throws earlyout::error for a model without tokenizer or context, or an unknown fim_order
    void set_model(model_facts facts, engine& on);
    /// From now on requests are answered with this error.
    void failed(std::string sentence);
    [[nodiscard]] bool loading() const;

    void handle(exchange with) override;

private:
    void route(const exchange& with);
    void require_key(const request& asked) const;
    /// @throws api_error (503) while the model is loading, (500) if it could not be loaded
    [[nodiscard]] model_pointer model() const;

    service_options options_;
    slot_table slots_;
    mutable std::mutex changing_;  // of the two below
    model_pointer model_;
    std::string failure_;
};

}  // namespace serve

#endif
