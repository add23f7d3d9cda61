// SPDX-License-Identifier: MIT
// The earlyout command begins here, in code that every processor runs, and continues in the widest variant that this
// one runs, or in that of --instruction-set.
#include "command_line.hpp"

#include <cstdio>
#include <string_view>

namespace {

/// Returns what --instruction-set names, among the options before the subcommand; empty: nothing.
std::string_view named_instruction_set(int argc, char** argv) {
    constexpr std::string_view option = "--instruction-set";
    for (int i = 1; i < argc && argv[i][0] == '-'; ++i) {
        const std::string_view argument = argv[i];
        if (argument == option) return i + 1 < argc ? argv[i + 1] : "";
        if (argument.starts_with(option) && argument[option.size()] == '=') return argument.substr(option.size() + 1);
    }
    return {};
}

}  // namespace

int main(int argc, char** argv) {
    namespace eo = earlyout;
    try {
        const std::string_view name = named_instruction_set(argc, argv);
        if (!name.empty()) cli::command_line.dispatcher().choose(name);
    } catch (const eo::error& e) {
        std::string_view message = e.what();
        if (constexpr std::string_view thing = "instruction set"; message.starts_with(thing)) {
            message.remove_prefix(thing.size());
        }
        (void)std::fprintf(stderr, "earlyout: --instruction-set%.*s\n", static_cast<int>(message.size()),
                           message.data());
        return e.code() == eo::errc::invalid_argument ? 2 : 1;
    }
    return cli::command_line(argc, argv);
}
