// SPDX-License-Identifier: MIT
// libFuzzer target: any request, whose first line is a method and a target and whose rest is the body, is answered
// once, by valid JSON, events of it, or text; and every job that it makes is one that an engine runs.
#include "serve/service.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "serve/served.hpp"

namespace {

void require(bool right) {
    if (!right) std::abort();
}

support::served& service() {
    static support::served made(support::qwen_tokens, 512);
    made.facts.chat_template = "<|im_start|>";
    made.facts.n_batch = 128;
    made.load();
    return made;
}

void check(const support::recorded_reply& reply, std::string_view target) {
    require(reply.ended && reply.in_order);
    if (reply.begun) {
        require(reply.status == 200 && !reply.stream().empty());
        return;
    }
    if (reply.status == 200 && target.starts_with("/metrics")) return;
    const serve::json object = reply.object();
    require(reply.body.find('\n') == std::string::npos);
    if (reply.status != 200) require(object["error"]["message"].get<std::string>().find('\n') == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view input(reinterpret_cast<const char*>(data), size);
    const std::string_view line = input.substr(0, input.find('\n'));
    input.remove_prefix(line.size() < input.size() ? line.size() + 1 : line.size());
    const std::size_t space = line.find(' ');
    const std::string_view target = space == std::string_view::npos ? "" : line.substr(space + 1);
    support::served& s = service();
    s.engine.script = "f(x)\n    return 1\n}\n";
    s.engine.token_seconds = size % 2 == 0 ? 0.01 : 0.0;
    s.engine.jobs.clear();
    check(*s.ask(line.substr(0, space), target, std::string(input)), target);
    for (const serve::job& job : s.engine.jobs) {
        require(!job.prompt.empty() && job.prompt.size() <= s.facts.context);
        for (const auto id : job.prompt) require(s.words.has(id));
        earlyout::check(job.options);
    }
    return 0;
}
