// SPDX-License-Identifier: MIT
// The `earlyout` command: completes text with early exits, and shows and measures what a model does.
#include "closest.hpp"
#include "commands.hpp"
#include "dispatch/command_line.hpp"
#include "help.hpp"
#include "interrupt.hpp"
#include "options.hpp"

#include <earlyout/core/config.hpp>
#include <earlyout/core/error.hpp>

#include <algorithm>
#include <csignal>
#include <exception>
#include <iostream>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <poll.h>
#include <unistd.h>

namespace {

namespace eo = earlyout;

constexpr int failure = 1;
constexpr int usage = 2;

constexpr const char* examples =
    "Examples:\n"
    "  earlyout complete --prompt 'def add(a, b):' --show-layers\n"
    "  earlyout inspect --model my-model\n"
    "  earlyout fit --model my-model --text sources/\n"
    "  earlyout evaluate --model my-model --text other-sources/\n"
    "  earlyout serve --model my-model.gguf\n"
    "\n"
    "`earlyout SUBCOMMAND --help` lists a subcommand's options and examples.\n"
    "Exit status: 0; 1 when something went wrong, 2 when its options are wrong,\n"
    "130 when interrupted, 143 when terminated.";

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

std::vector<std::string> option_names(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::Option* option : app.get_options()) {
        for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
    return names;
}

/// What was typed wrongly, with the name that was meant where one is close; else what the parser says.
std::string explain(const CLI::ParseError& e, const CLI::App& app, std::span<char*> arguments) {
    std::vector<std::string> commands;
    for (const CLI::App* sub : app.get_subcommands({})) commands.push_back(sub->get_name());
    const std::string first = arguments.empty() ? "" : arguments.front();
    if (!first.empty() && !first.starts_with('-') && std::ranges::find(commands, first) == commands.end()) {
        std::string list;
        for (const std::string& name : commands) list += (list.empty() ? "" : ", ") + name;
        return "expected a subcommand (" + list + "), found '" + first + "'" + cli::did_you_mean(first, commands);
    }
    const auto chosen = app.get_subcommands();
    if (chosen.empty() || dynamic_cast<const CLI::ExtrasError*>(&e) == nullptr) return e.what();
    const std::vector<std::string> options = option_names(*chosen.front());
    for (const char* argument : arguments.subspan(1)) {
        const std::string name = std::string(argument).substr(0, std::string_view(argument).find('='));
        if (!name.starts_with("--") || std::ranges::find(options, name) != options.end()) continue;
        return first + ": expected one of the options that `earlyout " + first + " --help` lists, found " + name +
               cli::did_you_mean(name, options);
    }
    return e.what();
}

int run(int argc, char** argv) {
    CLI::App app{"Completes text with a transformer whose tokens exit after as many layers as they need.", "earlyout"};
    app.set_version_flag("--version", std::string("earlyout ") + eo::version + " (" + eo::instruction_set + ")");
    std::string chosen_in_main;  // dispatch/main.cpp
    app.add_option("--instruction-set", chosen_in_main,
                   "Run what was compiled for this instruction set; in a command for all processors: sse2, avx2, "
                   "avx512, avx512vnni, amx. Default: the widest that this processor has")
        ->type_name("NAME");
    app.footer(examples);
    app.formatter(std::make_shared<cli::help_formatter>(cli::help_width()));
    app.require_subcommand(1);
    const cli::command commands[] = {cli::complete(app), cli::logits(app), cli::tokenize(app), cli::detokenize(app),
                                     cli::inspect(app),  cli::bench(app),  cli::quantize(app), cli::fit(app),
                                     cli::evaluate(app), cli::costs(app),  cli::serve(app)};
    try {
        app.parse(argc, argv);
        const auto chosen = std::ranges::find_if(commands, [](const auto& c) { return c.app->parsed(); });
        return finish_output(chosen->run());
    } catch (const CLI::ParseError& e) {
        if (e.get_exit_code() == 0) return finish_output(app.exit(e));  // --help, --version
        return report(explain(e, app, {argv + 1, static_cast<std::size_t>(argc - 1)}), usage);
    } catch (const eo::error& e) {
        return report(cli::in_options(e.what()), e.code() == eo::errc::invalid_argument ? usage : failure);
    } catch (const std::bad_alloc&) {
        return report("not enough memory", failure);
    } catch (const std::exception& e) {
        return report(e.what(), failure);
    }
}

}  // namespace

int cli::EARLYOUT_VARIANT::command_line(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is seen as a failed write
    cli::end_on_signals();
    return ::run(argc, argv);
}
