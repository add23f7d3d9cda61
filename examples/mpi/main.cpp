// SPDX-License-Identifier: MIT
// `earlyout-mpi fit` and `earlyout-mpi evaluate`: the same as of `earlyout`, with the texts shared among processes.
#include <cli/commands.hpp>
#include <cli/help.hpp>
#include <cli/interrupt.hpp>
#include <cli/options.hpp>
#include <cli/team.hpp>

#include <earlyout/calibrate/mpi_workers.hpp>
#include <earlyout/core/config.hpp>
#include <earlyout/core/error.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <new>
#include <string>
#include <thread>

#include <mpi.h>
#include <unistd.h>

namespace {

namespace eo = earlyout;

constexpr int failure = 1;
constexpr int usage = 2;

/// Ends all processes with one line on standard error. What is wrong with options or files is wrong for all: the first
/// process tells it.
[[noreturn]] void end_all(std::string message, int status) {
    std::ranges::replace(message, '\n', ' ');
    if (!cli::is_first()) std::this_thread::sleep_for(std::chrono::seconds(1));
    std::cout.flush();
    std::cerr << "earlyout-mpi: " << (cli::is_first() ? "" : "process " + std::to_string(cli::team()->rank()) + ": ")
              << message << std::endl;
    eo::io::remove_partial_files();
    MPI_Abort(MPI_COMM_WORLD, status);
    std::_Exit(status);
}

/// mpirun ends the others when one process dies, by SIGTERM.
void tell_of_a_death() {
    struct sigaction action {};
    action.sa_handler = [](int number) {
        static constexpr char sentence[] =
            "earlyout-mpi: ended, since another of its processes died or the run was stopped; nothing was written\n";
        if (cli::is_first()) (void)!write(STDERR_FILENO, sentence, sizeof sentence - 1);
        cli::end_by_signal(number);
    };
    for (const int number : {SIGINT, SIGTERM}) sigaction(number, &action, nullptr);
}

int run(int argc, char** argv) {
    CLI::App app{
        "Fits and evaluates early exits with the texts shared among processes: mpirun -n 8 earlyout-mpi fit ...",
        "earlyout-mpi"};
    app.set_version_flag("--version", std::string("earlyout ") + eo::version + " (" + eo::instruction_set + ")");
    app.formatter(std::make_shared<cli::help_formatter>(cli::help_width()));
    app.require_subcommand(1);
    const cli::command commands[] = {cli::fit(app), cli::evaluate(app)};
    try {
        app.parse(argc, argv);
        const auto chosen = std::ranges::find_if(commands, [](const auto& c) { return c.app->parsed(); });
        const int status = chosen->run();
        std::cout.flush();
        return status;
    } catch (const CLI::ParseError& e) {
        if (e.get_exit_code() == 0) return cli::is_first() ? app.exit(e) : 0;  // --help, --version
        end_all(e.what(), usage);
    } catch (const eo::error& e) {
        end_all(cli::in_options(e.what()), e.code() == eo::errc::invalid_argument ? usage : failure);
    } catch (const std::bad_alloc&) {
        end_all("not enough memory", failure);
    } catch (const std::exception& e) {
        end_all(e.what(), failure);
    }
}

}  // namespace

int main(int argc, char** argv) {
    int level = MPI_THREAD_SINGLE;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &level);
    int status = failure;
    {
        eo::calibrate::mpi_workers all;
        cli::team() = &all;
        cli::end_on_signals();
        tell_of_a_death();
        if (!cli::is_first() && std::freopen("/dev/null", "w", stdout) == nullptr) {
            end_all("/dev/null: cannot be written to", failure);
        }
        status = run(argc, argv);
    }
    MPI_Finalize();
    return status;
}
