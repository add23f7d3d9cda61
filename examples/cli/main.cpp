// SPDX-License-Identifier: MIT
// The `earlyout` command: completes text with early exits, and shows and measures what a model does.
#include "commands.hpp"
#include "interrupt.hpp"

#include <earlyout/core/config.hpp>
#include <earlyout/core/error.hpp>

#include <algorithm>
#include <csignal>
#include <exception>
#include <iostream>
#include <new>
#include <string>

#include <poll.h>
#include <unistd.h>

namespace {

namespace eo = earlyout;

constexpr int failure = 1;
constexpr int usage = 2;

constexpr const char* examples =
    "Examples:\n"
    "  earlyout complete --prompt 'def add(a, b):' --exit-gate margin --threshold 0.6\n"
    "  earlyout complete --file main.py --kv defer --prefill lazy --exit-gate margin --json\n"
    "  earlyout complete --prompt 'import ' --exit-gate margin --compare\n"
    "  earlyout tokenize --text 'def f(x):' --json\n"
    "  earlyout inspect --model my-gpt2\n"
    "  earlyout quantize --model my-gpt2 --dtype int4 --output-dtype int8 --out my-gpt2.packed\n"
    "  earlyout fit --model my-gpt2 --text sources/\n"
    "  earlyout evaluate --model my-gpt2 --text other-sources/\n"
    "`earlyout SUBCOMMAND --help` lists a subcommand's options. Exit status: 0, 1 when something went wrong, 2 when it "
    "was asked for wrongly, 130 when interrupted, 143 when terminated.";

/// Every error is one line on standard error.
int report(std::string message, int status) {
    std::ranges::replace(message, '\n', ' ');
    std::cout.flush();
    std::cerr << "earlyout: " << message << '\n';
    return status;
}

/// A reader that closed the pipe has what it wanted; any other failed write is an error.
int finish_output(int status) {
    if (std::cout.flush()) return status;
    pollfd output{STDOUT_FILENO, POLLOUT, 0};
    const bool reader_left = poll(&output, 1, 0) == 1 && (output.revents & POLLERR) != 0;
    return reader_left ? status : report("standard output: cannot be written", failure);
}

int run(int argc, char** argv) {
    CLI::App app{"Completes text with a transformer whose tokens leave after as many layers as they need.", "earlyout"};
    app.set_version_flag("--version", std::string("earlyout ") + eo::version + " (" + eo::instruction_set + ")");
    app.footer(examples);
    app.require_subcommand(1);
    const cli::command commands[] = {cli::complete(app),   cli::logits(app),  cli::tokenize(app),
                                     cli::detokenize(app), cli::inspect(app), cli::bench(app),
                                     cli::quantize(app),   cli::fit(app),     cli::evaluate(app)};
    try {
        app.parse(argc, argv);
        const auto chosen = std::ranges::find_if(commands, [](const auto& c) { return c.app->parsed(); });
        return finish_output(chosen->run());
    } catch (const CLI::ParseError& e) {
        if (e.get_exit_code() == 0) return finish_output(app.exit(e));  // --help, --version
        return report(e.what(), usage);
    } catch (const eo::error& e) {
        return report(e.what(), e.code() == eo::errc::invalid_argument ? usage : failure);
    } catch (const std::bad_alloc&) {
        return report("not enough memory", failure);
    } catch (const std::exception& e) {
        return report(e.what(), failure);
    }
}

}  // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is seen as a failed write
    cli::end_on_signals();
    return run(argc, argv);
}
