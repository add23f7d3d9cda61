// SPDX-License-Identifier: MIT
// `earlyout serve`: answers editors over HTTP.
#include "serve.hpp"

#include "commands.hpp"
#include "interrupt.hpp"
#include "policy.hpp"

#include <earlyout/core/error.hpp>
#include <earlyout/io/file_writer.hpp>

#include <serve/access_log.hpp>
#include <serve/api_keys.hpp>

#include <algorithm>
#include <iostream>
#include <memory>
#include <string>

#include <unistd.h>

namespace cli {

namespace {

const CLI::Validator time_limit(
    [](const std::string& text) {
        double value = 0.0;
        const bool good = CLI::detail::lexical_cast(text, value) && value >= 0.0 && value <= 1e6;
        return good ? std::string() : "expected seconds from 0 to 1000000, found '" + text + "'";
    },
    "");

/// It becomes a header of replies.
const CLI::Validator page_origin(
    [](const std::string& text) {
        const bool is_url = text.starts_with("http://") || text.starts_with("https://");
        const bool is_printable = std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f'; });
        if (text == "*" || (is_url && is_printable)) return std::string();
        return "expected * or an origin, as in https://editor.example, found '" + text + "'";
    },
    "");

bool is_loopback(const std::string& host) { return host == "localhost" || host == "::1" || host.starts_with("127."); }

int run_serve(serve_options& o) {
    if (!o.exits.policy.empty() && o.exits.policy != "fitted") (void)parse_policy(o.exits.policy);  // before it listens
    if (!o.drafts.drafts.empty() && o.drafts.drafts != "auto") (void)parse_drafts(o.drafts.drafts);
    if (o.run.prefill_threads != 0 && o.run.prefill_threads != o.run.threads) {
        eo::fail(eo::errc::invalid_argument, "--prefill-threads: expected none or as many as --threads (",
                 o.run.threads, "), since prompts run in the same batches as other tokens; found ",
                 o.run.prefill_threads);
    }
    if (!o.api_key_file.empty()) o.api_keys = serve::read_api_keys(o.api_key_file);
    if (o.api_keys.empty() && !is_loopback(o.http.host)) {
        std::cerr << "earlyout: --host " << o.http.host
                  << " without --api-key-file: whoever reaches this port may use the model\n";
    }
    if (!o.host_names.empty() || (o.api_keys.empty() && is_loopback(o.http.host))) {
        o.http.host_names = {o.http.host, "localhost", "127.0.0.1", "::1"};
        o.http.host_names.insert(o.http.host_names.end(), o.host_names.begin(), o.host_names.end());
    }
    o.http.body_time = o.http.write_time = std::chrono::milliseconds(static_cast<long long>(o.timeout * 1000.0));
    serve::access_log log(o.access_log);
    o.http.log = &log;

    const interrupt interrupted;  // before other threads are made; a second signal ends the process at once
    serve_model(o, interrupted.token());
    return 0;
}

void add_http_options(CLI::App& app, serve_options& into) {
    const std::string group = "Server";
    app.add_option("--host", into.http.host, "Address to listen on; 0.0.0.0: all of IPv4")
        ->type_name("ADDRESS")
        ->capture_default_str()
        ->group(group);
    app.add_option("--port", into.http.port, "Port to listen on; 0: any that is free")
        ->check(CLI::Range(0, 65535))
        ->type_name("N")
        ->capture_default_str()
        ->group(group);
    app.add_option("--api-key-file", into.api_key_file,
                   "File with one API key in each line, # begins a comment: requests must name one of them")
        ->type_name("FILE")
        ->group(group);
    app.add_option("--host-name", into.host_names,
                   "Name by which requests may call this server, as a proxy's clients do; may be repeated. Without "
                   "keys and on this machine alone, it is expected to be called by its address or localhost")
        ->type_name("NAME")
        ->group(group);
    app.add_option(
           "--access-log", into.access_log,
           "Append a line of JSON for each request to this file; -: standard error. It holds no text and no key")
        ->type_name("FILE")
        ->group(group);
    app.add_option("--cors", into.http.cors_origin, "Pages of this origin may use the server in a browser; *: of any")
        ->check(page_origin)
        ->type_name("ORIGIN")
        ->group(group);
    add_number(app, "--max-body", into.http.max_body_bytes, "Max bytes of a request's body", 1)->group(group);
    add_number(app, "--max-connections", into.http.max_connections, "Max clients at a time", 1)->group(group);
    app.add_option("--timeout", into.timeout,
                   "Max seconds for a client to send a request's body, or to take some of a reply that is there")
        ->check(time_limit)
        ->type_name("SECONDS")
        ->capture_default_str()
        ->group(group);
    app.add_option("--stop-deadline", into.stop_deadline,
                   "After SIGTERM or Ctrl-C, seconds in which running requests may end; a second signal ends them")
        ->check(time_limit)
        ->type_name("SECONDS")
        ->capture_default_str()
        ->group(group);
}

}  // namespace

void end_while_loading() {
    eo::io::remove_partial_files();
    std::cout.flush();
    _exit(0);
}

command serve(CLI::App& app) {
    CLI::App* const sub =
        app.add_subcommand("serve", "Answer editors over HTTP, as llama.cpp's server does: /infill, /completion, /v1");
    sub->footer(
        "Examples:\n"
        "  earlyout serve --model my-model\n"
        "  earlyout serve --model my-model.gguf --dtype int8 --slots 2 --draft-from src/\n"
        "  earlyout serve --host 0.0.0.0 --api-key-file keys --access-log /var/log/earlyout.log");
    const auto o = std::make_shared<serve_options>();
    add_options(*sub, o->model);
    add_cache(*sub, o->model);
    add_options(*sub, o->weights);
    add_options(*sub, o->run);
    add_number(*sub, "--slots", o->slots, "Max completions that run at a time, in one batch", 1);
    add_number(*sub, "--kv-memory", o->kv_memory,
               "Max bytes of keys and values, of running completions and those kept for later ones; 0: twice "
               "--capacity tokens for each slot, at most half of the memory that is free");
    sub->add_option("--fim-order", o->fim_order,
                    "Order of a fill-in-the-middle prompt. suffix-first and after-middle compute less per keystroke, "
                    "with models that were trained on them; auto: what the model is known for")
        ->check(one_of({"auto", "prefix-first", "suffix-first", "after-middle"}))
        ->type_name("ORDER")
        ->capture_default_str();
    add_http_options(*sub, *o);
    add_options(*sub, o->exits);
    add_options(*sub, o->drafts);
    return {sub, [o] { return run_serve(*o); }};
}

}  // namespace cli
