// SPDX-License-Identifier: MIT
#include "answer.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "api_error.hpp"

namespace serve {

void send(reply_sink& to, int status, const json& body) {
    to.send(status, "application/json; charset=utf-8", dump(body));
}

answer::answer(exchange with, model_pointer model, std::unique_ptr<reply_format> format, std::size_t n, bool streams)
    : with_(std::move(with)),
      model_(std::move(model)),
      format_(std::move(format)),
      streams_(streams),
      started_(n),
      all_(n),
      running_(n) {}

void answer::part(const streamed& of) {
    const std::lock_guard lock(changing_);
    begin();
    if (!started_[of.index]) {
        started_[of.index] = true;
        event(format_->first(of.index));
    }
    event(format_->part(of));
}

void answer::ended(finished of) {
    const std::lock_guard lock(changing_);
    if (streams_ && of.of.error.empty()) {
        begin();
        if (!started_[of.index]) event(format_->first(of.index));
        if (!of.unstreamed.empty()) {
            const auto first = of.tokens.begin() + static_cast<std::ptrdiff_t>(of.streamed_tokens);
            event(
                format_->part({of.index, of.prompt.size(), of.unstreamed, {first, of.tokens.end()}, of.tokens.size()}));
        }
        event(format_->last(of));
    }
    const std::size_t index = of.index;
    all_[index] = std::move(of);
    if (--running_ != 0) return;
    try {
        finish();
    } catch (const std::exception&) {
        send_failure("the server could not compose its reply");
        if (begun_) with_.reply->end();
    }
}

void answer::supersede() {
    superseded_ = true;
    with_.cancel.request_stop();
}

void answer::event(const json& of) {
    if (!of.is_null()) with_.reply->write("data: " + dump(of) + "\n\n");
}

void answer::begin() {
    if (!std::exchange(begun_, true)) with_.reply->begin(200, "text/event-stream");
}

void answer::send_failure(const std::string& sentence) {
    const json body = api_error(500, "server_error", without_folders(sentence)).body();
    if (begun_) {
        event(body);
    } else {
        send(*with_.reply, 500, body);
    }
}

void answer::finish() {
    std::vector<finished> all;
    std::string failure;
    std::size_t prompt_tokens = 0, new_tokens = 0, reused_tokens = 0;
    for (std::optional<finished>& one : all_) {
        prompt_tokens += one->prompt.size();
        new_tokens += one->tokens.size();
        reused_tokens += one->of.stats.reused_tokens;
        if (failure.empty()) failure = one->of.error;
        all.push_back(std::move(*one));
    }
    with_.reply->note("prompt_tokens", std::to_string(prompt_tokens));
    with_.reply->note("reused_tokens", std::to_string(reused_tokens));
    with_.reply->note("new_tokens", std::to_string(new_tokens));
    with_.reply->note("ended_by", dump(all.front().ended_by));
    if (!failure.empty()) {
        send_failure(failure);
    } else if (!streams_) {
        send(*with_.reply, 200, format_->whole(all));
    } else {
        event(format_->usage(all));
    }
    if (!begun_) return;
    if (format_->ends_with_done()) with_.reply->write("data: [DONE]\n\n");
    with_.reply->end();
}

}  // namespace serve
