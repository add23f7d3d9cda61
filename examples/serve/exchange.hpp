// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_EXCHANGE_HPP
#define EARLYOUT_EXAMPLES_SERVE_EXCHANGE_HPP

#include <memory>
#include <stop_token>
#include <string>

/// @file One request and where its reply goes: the border between HTTP and the service. No sockets here.

namespace serve {

/// An HTTP request as the service sees it.
struct request {
    std::string method;  ///< "GET", "POST", ...
    std::string target;  ///< path and query
    std::string body;
    std::string authorization;  ///< value of the header; empty: absent
    std::string api_key;        ///< value of X-Api-Key; empty: absent
};

/// Takes a reply: one call of send(), or begin(), write() any number of times, end(). May be called from any thread;
/// after the client left, calls do nothing.
class reply_sink {
public:
    reply_sink() = default;
    reply_sink(const reply_sink&) = delete;
    reply_sink& operator=(const reply_sink&) = delete;
    virtual ~reply_sink() = default;

    virtual void send(int status, std::string content_type, std::string body) = 0;
    virtual void begin(int status, std::string content_type) = 0;
    virtual void write(std::string data) = 0;
    virtual void end() = 0;
    /// Adds to the access log what HTTP does not know, such as "tokens": a name and a JSON value.
    virtual void note(std::string name, std::string json_value) = 0;
};

/// A request being answered. Its stop source is triggered when the client leaves; the service triggers it too, to end
/// the completion for another reason.
struct exchange {
    request asked;
    std::shared_ptr<reply_sink> reply;
    std::stop_source cancel;
};

/// Answers requests. handle() returns soon: completions are answered later, on the engine's thread.
class handler {
public:
    handler() = default;
    handler(const handler&) = delete;
    handler& operator=(const handler&) = delete;
    virtual ~handler() = default;
    virtual void handle(exchange with) = 0;
};

}  // namespace serve

#endif
