// SPDX-License-Identifier: MIT
// `earlyout quantize`: a model in one file, its matrices rounded and packed as products read them.
#include "commands.hpp"
#include "model.hpp"
#include "options.hpp"
#include "progress.hpp"
#include "report.hpp"

#include <earlyout/io/packed_writer.hpp>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>

namespace cli {

namespace {

struct quantize_options {
    model_options model;
    weight_options weights;
    std::string out;
    bool json = false;
    bool quiet = false;
};

/// Fitted exits go along, so that the file stays a model with exits. Returns where to, or nothing.
std::string copy_exits(const std::filesystem::path& from, const std::filesystem::path& to) {
    const std::filesystem::path exits = eo::io::sidecar_path(from);
    std::error_code ignored;
    if (!std::filesystem::exists(exits, ignored)) return {};
    if (!std::filesystem::is_regular_file(to, ignored)) return {};  // there is no place beside a pipe or device
    const std::filesystem::path copy = eo::io::sidecar_path(to);
    eo::io::write_exits(copy, eo::io::read_exits(exits));
    return copy.string();
}

int run(const quantize_options& o) {
    const auto start = std::chrono::steady_clock::now();
    const weight_formats formats = formats_of(o.model.folder, o.weights);
    progress_line line(!o.quiet);
    const std::size_t bytes = eo::io::write_packed<eo::any_model>(o.out, o.model.folder, formats.layers, formats.output,
                                                                  {.progress = loading_progress(line)});
    line.clear();
    const std::string exits = copy_exits(o.model.folder, o.out);
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
    if (o.json) {
        print(std::cout, json{{"out", o.out},
                              {"bytes", bytes},
                              {"seconds", passed.count()},
                              {"exits", exits.empty() ? json(nullptr) : json(exits)}});
        return 0;
    }
    if (o.quiet) return 0;
    std::cout << "Wrote " << o.out << ", " << megabytes(static_cast<double>(bytes));
    if (!exits.empty()) std::cout << ", and the exits beside it, " << exits;
    std::cout << '\n';
    return 0;
}

}  // namespace

command quantize(CLI::App& app) {
    CLI::App* const sub = app.add_subcommand(
        "quantize", "Round and pack a model's weights once, into one file that is mapped and used in place");
    const auto o = std::make_shared<quantize_options>();
    add_options(*sub, o->model);
    add_options(*sub, o->weights);
    sub->add_option("--out", o->out, "File to write, as a whole or not at all")->required()->type_name("FILE");
    add_json(*sub, o->json);
    add_quiet(*sub, o->quiet);
    sub->footer(
        "Examples:\n"
        "  earlyout quantize --model my-model --dtype int8 --out my-model.packed\n"
        "  earlyout quantize --model my-model --dtype int4 --output-dtype int8 \\\\\n"
        "      --out my-model.packed");
    return {sub, [o] { return run(*o); }};
}

}  // namespace cli
