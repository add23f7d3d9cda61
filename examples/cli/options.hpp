// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_OPTIONS_HPP
#define EARLYOUT_EXAMPLES_CLI_OPTIONS_HPP

/// @file The command's options. Those that several subcommands take are declared once, as a struct and a
/// function that adds it to a subcommand.

#include <earlyout/calibrate/corpus.hpp>
#include <earlyout/core/machine.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/generate/options.hpp>

#include <CLI/CLI.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace cli {

namespace eo = earlyout;

/// --model, --no-mmap
struct model_options {
    std::string folder;
    bool no_mmap = false;  ///< a packed file's matrices are read into memory, not used in place
    bool cache = false;    ///< the model is kept packed, for the next start
};
void add_options(CLI::App& app, model_options& into);
/// --cache, for commands that load the weights
void add_cache(CLI::App& app, model_options& into);

/// --dtype, --output-dtype: weight formats, or "auto" for the smallest that loses nothing.
struct weight_options {
    std::string dtype = "auto";
    std::string output_dtype;  ///< empty: the same
};
void add_options(CLI::App& app, weight_options& into);

/// A text: `name` on the command line, --file, or standard input.
struct text_options {
    std::optional<std::string> text;
    std::optional<std::string> file;
};
void add_options(CLI::App& app, text_options& into, const std::string& name);
/// @throws earlyout::error (no_such_file)
[[nodiscard]] std::string read(const text_options& from);

/// --exact, --policy, or --exit-gate and what belongs to it.
struct exit_options {
    std::string policy;              ///< everything below as one text; see earlyout::policy_spec
    std::string gate;                ///< empty: left out
    bool exact = false;              ///< full depth
    std::optional<double> max_loss;  ///< of ROUGE-L, of the policy that fit chose; nothing: what it aimed at
    std::vector<std::size_t> layers;
    std::optional<float> threshold;
    std::optional<float> stop_threshold;
    std::optional<float> check_margin;  ///< an exit also needs this margin
    std::size_t token_budget = 0;       ///< new tokens; 0: any number
    double time_budget = 0.0;           ///< seconds; 0: any number
    std::string over_budget = "end";
    std::size_t shortlist = 0;  ///< tokens that a token's later exits are asked about; 0: all
    std::string shortlist_reach = "exits";
    std::string head = "auto";
    std::string kv;             ///< empty: left out
    std::size_t defer_cap = 0;  ///< most generated tokens that may wait; 0: any number
    std::string prefill = "eager";
};
void add_options(CLI::App& app, exit_options& into);
/// --draft, --draft-from
struct draft_options {
    std::string drafts;  ///< empty: left out
    std::vector<std::string> from;
};
void add_options(CLI::App& app, draft_options& into);
void add_cache_options(CLI::App& app, exit_options& into);
/// --exit-head
CLI::Option* add_head_option(CLI::App& app, std::string& into);

/// An option that takes a whole number in decimal digits. One that is too small by default has no default.
CLI::Option* add_number(CLI::App& app, const std::string& name, std::size_t& into, const std::string& help,
                        std::size_t least = 0);
/// An option that takes a number from 0 to 1.
CLI::Option* add_fraction(CLI::App& app, const std::string& name, double& into, const std::string& help);
/// --threads, --prefill-threads, --kv-dtype
struct run_options {
    std::size_t threads = eo::usable_processors();
    std::size_t prefill_threads = 0;  ///< 0: as many
    std::string kv_dtype = "f32";
    std::size_t capacity = 0;  ///< tokens; 0: the model's context, at most 4096
};
void add_options(CLI::App& app, run_options& into);
/// --max-new-tokens, --temperature, ...
void add_options(CLI::App& app, eo::generate_options& into);
/// --exit-layers and the like: a list of layers.
CLI::Option* add_layers(CLI::App& app, const std::string& name, std::vector<std::size_t>& into,
                        const std::string& help);
/// --text, --suffix, --tokens
void add_corpus_options(CLI::App& app, std::vector<std::string>& texts, eo::calibrate::corpus_options& into);
/// --json
void add_json(CLI::App& app, bool& json);
/// --quiet
void add_quiet(CLI::App& app, bool& quiet);
/// Accepts these values; another one is answered with the one that was meant.
[[nodiscard]] CLI::Validator one_of(std::vector<std::string> names);
/// Returns the names of the weight formats, with "auto" and "stored" if `choosing`.
[[nodiscard]] std::vector<std::string> weight_format_names(bool choosing);
/// Adds --plain-text.
void add_plain_text(CLI::App& app, bool& wanted);
/// Returns the library's message with its options called as they are typed.
[[nodiscard]] std::string in_options(std::string message);
/// --ids 5,6,7
CLI::Option* add_ids(CLI::App& app, std::vector<eo::token_id>& ids);

}  // namespace cli

#endif
