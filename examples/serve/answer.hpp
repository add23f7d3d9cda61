// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_ANSWER_HPP
#define EARLYOUT_EXAMPLES_SERVE_ANSWER_HPP

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "exchange.hpp"
#include "finished.hpp"
#include "loaded_model.hpp"
#include "reply_format.hpp"

namespace serve {

/// The reply to one request: collects its completions and sends them together, or each part as an event. Its members
/// may be called from any thread.
class answer {
public:
    /// @param n completions of the request
    answer(exchange with, model_pointer model, std::unique_ptr<reply_format> format, std::size_t n, bool streams);

    void part(const streamed& of);
    /// Takes a completion that ended; the last one sends the reply.
    void ended(finished of);

    /// Ends the completions because a newer request took their place; the reply has what there is.
    void supersede();
    [[nodiscard]] bool is_superseded() const noexcept { return superseded_; }
    [[nodiscard]] std::stop_token cancelled() const noexcept { return with_.cancel.get_token(); }
    [[nodiscard]] bool streams() const noexcept { return streams_; }

private:
    void event(const json& of);
    void begin();
    void send_failure(const std::string& sentence);
    void finish();

    exchange with_;
    model_pointer model_;
    std::unique_ptr<reply_format> format_;
    bool streams_;
    std::atomic<bool> superseded_{false};

    std::mutex changing_;  // of all below, and of the reply
    bool begun_ = false;
    std::vector<bool> started_;
    std::vector<std::optional<finished>> all_;
    std::size_t running_;
};

/// Sends JSON as a reply.
void send(reply_sink& to, int status, const json& body);

}  // namespace serve

#endif
