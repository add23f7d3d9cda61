// SPDX-License-Identifier: MIT
#include "options.hpp"

#include "closest.hpp"
#include "default_model.hpp"

#include <earlyout/core/error.hpp>
#include <earlyout/exit/catalogue.hpp>
#include <earlyout/generate/drafts/catalogue.hpp>
#include <earlyout/kernels/any_format.hpp>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <limits>
#include <string_view>
#include <system_error>
#include <utility>

#include <unistd.h>

namespace cli {

namespace {

/// "5,6,7"; nothing between two commas, a sign or a space is an error.
template <std::integral Number>
std::vector<Number> parse_list(const std::string& name, std::string_view text) {
    std::vector<Number> numbers;
    for (const char* at = text.data();; ++at) {
        const char* const end = text.data() + text.size();
        const auto [next, problem] = std::from_chars(at, end, numbers.emplace_back());
        if (problem != std::errc{} || (next != end && *next != ',')) {
            throw CLI::ValidationError(
                name, "expected numbers with commas between them, as in 5,6,7; found '" + std::string(text) + "'");
        }
        if (next == end) return numbers;
        at = next;
    }
}

template <std::integral Number>
CLI::Option* add_list(CLI::App& app, const std::string& name, std::vector<Number>& into, const std::string& help) {
    const auto parse = [name, &into](const std::string& text) { into = parse_list<Number>(name, text); };
    return app.add_option_function<std::string>(name, parse, help)->type_name("N,N,...");
}

std::string read_all(std::istream& from) { return {std::istreambuf_iterator<char>(from), {}}; }

const CLI::Validator finite(
    [](const std::string& text) {
        float value = 0.0f;
        const bool good = CLI::detail::lexical_cast(text, value) && std::isfinite(value);
        return good ? std::string() : "expected a finite number, found '" + text + "'";
    },
    "");

const CLI::Validator positive(
    [](const std::string& text) {
        double value = 0.0;
        const bool good = CLI::detail::lexical_cast(text, value) && value > 0.0;
        return good ? std::string() : "expected a number > 0, found '" + text + "'";
    },
    "");

}  // namespace

CLI::Validator one_of(std::vector<std::string> names) {
    std::string list;
    for (const std::string& name : names) list += (list.empty() ? "" : ",") + name;
    const auto check = [names = std::move(names), list](const std::string& text) {
        if (std::ranges::find(names, text) != names.end()) return std::string();
        return "expected one of " + list + ", found '" + text + "'" + did_you_mean(text, names);
    };
    return {check, "{" + list + "}"};
}

CLI::Option* add_number(CLI::App& app, const std::string& name, std::size_t& into, const std::string& help,
                        std::size_t least) {
    // CLI11 alone reads -1 and what is too large as the largest number, and 010 as 8.
    const auto parse = [name, least, &into](const std::string& text) {
        const char* const end = text.data() + text.size();
        const auto [next, problem] = std::from_chars(text.data(), end, into);
        if (problem == std::errc::result_out_of_range) {
            throw CLI::ValidationError(
                name,
                "expected at most " + std::to_string(std::numeric_limits<std::size_t>::max()) + ", found " + text);
        }
        if (problem != std::errc{} || next != end || into < least) {
            throw CLI::ValidationError(
                name, "expected a whole number from " + std::to_string(least) + ", found '" + text + "'");
        }
    };
    CLI::Option* const made = app.add_option_function<std::string>(name, parse, help)->type_name("N");
    return into < least ? made : made->default_str(std::to_string(into));
}

CLI::Option* add_fraction(CLI::App& app, const std::string& name, double& into, const std::string& help) {
    return app.add_option(name, into, help)->check(CLI::Range(0.0, 1.0))->type_name("P")->capture_default_str();
}

void add_options(CLI::App& app, model_options& into) {
    std::error_code ignored;
    into.folder = default_model(std::filesystem::read_symlink("/proc/self/exe", ignored), EARLYOUT_EXAMPLE_MODEL);
    app.add_option("--model", into.folder,
                   "Hugging Face folder, GGUF file or packed file (of quantize) with the model; default: the small "
                   "Python model bundled with earlyout")
        ->type_name("PATH");
    app.add_flag("--no-mmap", into.no_mmap,
                 "Read a packed file into memory, in place of using it in place: it may then be overwritten");
}

void add_cache(CLI::App& app, model_options& into) {
    app.add_flag("--cache", into.cache,
                 "Keep the model packed in its weight format beside it, or where that cannot be written to in the "
                 "user's cache folder: the next start maps that file");
}

void add_options(CLI::App& app, text_options& into, const std::string& name) {
    CLI::Option* const text = app.add_option(name, into.text, "The text itself")->type_name("TEXT");
    app.add_option("--file", into.file, "File with the text; default: standard input")
        ->type_name("FILE")
        ->excludes(text);
}

std::string read(const text_options& from) {
    if (from.text) return *from.text;
    if (!from.file) {
        if (isatty(STDIN_FILENO) != 0) std::cerr << "earlyout: reading the text from the terminal, Ctrl-D ends it\n";
        return read_all(std::cin);
    }
    std::error_code problem;
    if (std::filesystem::is_directory(*from.file, problem)) {
        eo::fail(eo::errc::no_such_file, *from.file, ": expected a file, found a folder");
    }
    std::ifstream file(*from.file, std::ios::binary);
    if (!file) eo::fail(eo::errc::no_such_file, *from.file, ": cannot be read: ", std::strerror(errno));
    return read_all(file);
}

void add_options(CLI::App& app, exit_options& into) {
    const std::string group = "Early exits";
    std::string names;
    std::vector<std::string> gates{"none"};
    CLI::Option* const exact =
        app.add_flag("--exact", into.exact, "Full depth for every token, also where the model has fitted exits")
            ->group(group);
    app.add_option("--max-loss", into.max_loss,
                   "Share of ROUGE-L that the fitted policy may lose, of those that fit found the fastest on this "
                   "machine; default: what the fit aimed at")
        ->check(CLI::Range(0.0, 1.0))
        ->excludes(exact)
        ->type_name("P")
        ->group(group);
    for (const eo::gate_entry& entry : eo::gate_catalogue()) {
        if (entry.info.name.ends_with("-budget")) continue;  // they have options of their own
        gates.emplace_back(entry.info.name);
        names.append("; ").append(entry.info.name).append(": ").append(entry.info.brief);
    }
    CLI::Option* const policy =
        app.add_option(
               "--policy", into.policy,
               "The whole policy as one text, as evaluate and fit print it: "
               "'margin(0.9) @ 2,4; cache=defer', 'fitted' (what fit chose), 'full-depth'. Without it and --exit-gate: "
               "fitted where the model has exits that may be used with its weight format, else "
               "full-depth")
            ->excludes(exact)
            ->type_name("POLICY")
            ->group(group);
    CLI::Option* const gate =
        app.add_option("--exit-gate", into.gate, "What decides where a token exits. none: full depth" + names)
            ->check(one_of(gates))
            ->excludes(policy)
            ->excludes(exact)
            ->type_name("GATE")
            ->group(group);
    add_list(app, "--exit-layers", into.layers,
             "Layers, from 1, after which the gate is evaluated; `fixed` exits after the first of them. Default: "
             "for a fitted gate those that fit chose, else a quarter, half and three quarters of the depth")
        ->needs(gate)
        ->group(group);
    app.add_option("--threshold", into.threshold,
                   "A token exits when the gate's measure reaches this; for entropy, kl-divergence and learn-to-exit "
                   "when it is "
                   "at most this. For patience the number of further exits in a row that must name the same token. "
                   "Default: the "
                   "fitted one for a fitted gate, 0.5 for entropy, 0.1 for kl-divergence, 2 for patience, else 0.9")
        ->check(finite)
        ->needs(gate)
        ->type_name("P")
        ->group(group);
    app.add_option("--check-margin", into.check_margin,
                   "learn-to-exit, mlp-router: where they would exit, compute the exit's logits, and exit if its two "
                   "most likely tokens are this far apart in probability. Default: the fitted one; 0 does not check")
        ->check(finite)
        ->needs(gate)
        ->type_name("P")
        ->group(group);
    app.add_option("--stop-threshold", into.stop_threshold,
                   "sec: the completion ends when the gate's probability of an error exceeds this. Default: the fitted "
                   "one; 1 never ends it")
        ->check(finite)
        ->needs(gate)
        ->type_name("P")
        ->group(group);
    add_number(app, "--token-budget", into.token_budget, "New tokens after which --over-budget applies; 0: none", 0)
        ->needs(gate)
        ->group(group);
    app.add_option("--time-budget", into.time_budget, "Seconds after which --over-budget applies")
        ->check(positive)
        ->needs(gate)
        ->type_name("SECONDS")
        ->group(group);
    app.add_option("--over-budget", into.over_budget,
                   "When a budget is used up: end (the completion ends at the next exit) or exit (every token exits at "
                   "its first exit from there on)")
        ->check(one_of({"end", "exit"}))
        ->type_name("WHAT")
        ->capture_default_str()
        ->group(group);
    add_number(app, "--shortlist", into.shortlist,
               "Gates that read an exit's logits: a token's first exit computes those of the whole vocabulary, later "
               "ones only those of its N most likely tokens there; 0: always all")
        ->needs(gate)
        ->group(group);
    app.add_option(
           "--shortlist-reach", into.shortlist_reach,
           "Where the shortlist is used: exits (full depth computes all logits) or full-depth (it uses the shortlist "
           "too, where an exit was evaluated)")
        ->check(one_of({"exits", "full-depth"}))
        ->type_name("WHERE")
        ->capture_default_str()
        ->needs(gate)
        ->group(group);
    add_head_option(app, into.head);
    add_cache_options(app, into);
}

CLI::Option* add_head_option(CLI::App& app, std::string& into) {
    return app
        .add_option(
            "--exit-head", into,
            "What computes exits' logits: shared (the model's own output), adapter or own (fitted to the model, at "
            "layers that have one), or auto, what the model's exits were fitted with")
        ->check(one_of({"auto", "shared", "adapter", "own"}))
        ->type_name("HEAD")
        ->capture_default_str()
        ->group("Early exits");
}

void add_options(CLI::App& app, draft_options& into) {
    std::string names;
    for (const eo::drafter_entry& entry : eo::drafter_catalogue()) {
        names.append(" ").append(entry.info.name).append(": ").append(entry.info.brief).append(";");
    }
    names.back() = '.';
    app.add_option("--draft", into.drafts,
                   "Draft tokens and verify them in blocks at full depth: the same text, bit for bit, in less time. "
                   "Drafters, the best of several: 'suffix|depth'." +
                       names + " none: nothing is drafted. auto (the default at full depth): those that suit the model")
        ->type_name("DRAFTS")
        ->group("Drafts");
    app.add_option("--draft-from", into.from,
                   "Suffix drafts also from these files, and from sources in these folders, up to a million tokens")
        ->check(CLI::ExistingPath)
        ->type_name("PATH...")
        ->group("Drafts");
}

void add_cache_options(CLI::App& app, exit_options& into) {
    const std::string group = "Early exits";
    app.add_option("--kv", into.kv,
                   "Keys and values of skipped layers: propagate (from the exit's hidden state), "
                   "defer (computed exactly when a later token needs them) or omit (none). Default: propagate, or "
                   "without a policy, what fit chose")
        ->check(one_of({"propagate", "defer", "omit"}))
        ->type_name("POLICY")
        ->group(group);
    add_number(
        app, "--defer-cap", into.defer_cap,
        "With --kv defer: max generated tokens that may be deferred; at that many the next goes to full depth and "
        "catches them up; 0: any number")
        ->group(group);
    app.add_option("--prefill", into.prefill,
                   "Prompt: eager (all layers first) or lazy (as deep as tokens need; with "
                   "--kv defer)")
        ->check(one_of({"eager", "lazy"}))
        ->type_name("ORDER")
        ->capture_default_str()
        ->group(group);
}

std::vector<std::string> weight_format_names(bool choosing) {
    std::vector<std::string> names;
    if (choosing) names.emplace_back("auto");
    for (const eo::any_format& format : eo::any_format::all()) {
        if (choosing || !format.is_as_stored()) names.emplace_back(format.name());
    }
    return names;
}

void add_options(CLI::App& app, weight_options& into) {
    app.add_option(
           "--dtype", into.dtype,
           "Format to keep the weights in: f32, bf16, f16, int8, int4 (fewer bytes per token, more rounding), one of "
           "llama.cpp's (q6_k, q5_k, q4_k, q5_0, iq4_xs, ...), stored (each matrix as the checkpoint has it), or auto, "
           "the smallest that changes nothing: bf16 or f16 if the checkpoint is stored in it; a GGUF file, or a "
           "folder with matrices in blocks, as stored")
        ->check(one_of(weight_format_names(true)))
        ->type_name("FORMAT")
        ->capture_default_str();
    app.add_option("--output-dtype", into.output_dtype, "Another format for the output matrix")
        ->check(one_of(weight_format_names(true)))
        ->type_name("FORMAT");
}

void add_options(CLI::App& app, run_options& into) {
    add_number(app, "--threads", into.threads,
               "Threads that compute; default: as many as there are processor cores, within the container's limit")
        ->default_str("");
    add_number(app, "--prefill-threads", into.prefill_threads, "Threads that compute the prompt; 0: as many");
    app.add_option("--kv-dtype", into.kv_dtype,
                   "Format to keep keys and values in: f32, f16 or bf16 (half the bytes), or int8 (a quarter)")
        ->check(one_of({"f32", "f16", "bf16", "int8"}))
        ->type_name("FORMAT")
        ->capture_default_str();
    add_number(
        app, "--capacity", into.capacity,
        "Max tokens of prompt and completion, for which memory is allocated; 0: the model's context, at most 4096");
}

void add_options(CLI::App& app, eo::generate_options& into) {
    const std::string sampling = "Sampling";
    app.add_option("--temperature", into.temperature, "0 takes the most likely token")
        ->type_name("T")
        ->capture_default_str()
        ->group(sampling);
    add_number(app, "--top-k", into.top_k, "Draw from the N most likely tokens; 0: all")->group(sampling);
    app.add_option("--top-p", into.top_p, "Draw from the fewest tokens that hold this probability; 0: the most likely")
        ->type_name("P")
        ->capture_default_str()
        ->group(sampling);
    app.add_option("--min-p", into.min_p, "Drop tokens below this times the most likely one's probability")
        ->type_name("P")
        ->capture_default_str()
        ->group(sampling);
    app.add_option("--repetition-penalty", into.repetition_penalty, "Above 1 makes tokens seen before less likely")
        ->type_name("X")
        ->capture_default_str()
        ->group(sampling);
    add_number(app, "--seed", into.seed, "The same seed draws the same tokens")->group(sampling);

    add_number(app, "--experts", into.active_experts,
               "Experts that a token chooses in each mixture; 0: as the policy says, or else the model's own number");
    const std::string ending = "Length";
    add_number(app, "--max-new-tokens", into.max_new_tokens, "Max tokens to produce")->group(ending);
    app.add_option("--stop", into.stop_strings,
                   "End before this text, or at a special token, such as <|file_sep|>; may be given several times")
        ->type_name("TEXT")
        ->allow_extra_args(false)
        ->group(ending);
    app.add_option_function<double>(
           "--max-time", [&into](double seconds) { into.max_time = std::chrono::duration<double>(seconds); },
           "Max seconds; checked after every token")
        ->check(positive)
        ->type_name("SECONDS")
        ->group(ending);
    app.add_flag("--emit-at-stop", into.emit_at_stop,
                 "Where a gate ends the completion, produce what its exit would say as the last token")
        ->group(ending);
    app.add_flag("--cut-prompt", into.cut_prompt,
                 "Drop the start of a prompt that is longer than --capacity, instead of refusing it, such that "
                 "--max-new-tokens fit behind the rest, or a quarter of the capacity if that is fewer")
        ->group(ending);
}

CLI::Option* add_layers(CLI::App& app, const std::string& name, std::vector<std::size_t>& into,
                        const std::string& help) {
    return add_list(app, name, into, help);
}

void add_corpus_options(CLI::App& app, std::vector<std::string>& texts, eo::calibrate::corpus_options& into) {
    const std::string group = "Text";
    app.add_option("--text", texts, "Files, and folders that are searched for files")
        ->required()
        ->type_name("PATH...")
        ->group(group);
    app.add_option("--suffix", into.suffixes, "What files in folders end in")
        ->delimiter(',')
        ->type_name("SUFFIX,...")
        ->capture_default_str()
        ->group(group);
    add_number(app, "--tokens", into.max_tokens, "Max tokens to read; files are taken in random order", 2)
        ->group(group);
    add_number(app, "--tokens-per-file", into.max_tokens_per_text, "Max tokens of one file", 2)->group(group);
}

void add_plain_text(CLI::App& app, bool& wanted) {
    app.add_flag("--plain-text", wanted,
                 "What looks like a special token in the text is text too, as in a user's file; with --suffix it "
                 "always is");
}

void add_json(CLI::App& app, bool& wanted) { app.add_flag("--json", wanted, "Print one JSON object instead"); }

void add_quiet(CLI::App& app, bool& wanted) {
    app.add_flag("--quiet", wanted, "Print the result alone: no progress, no summary");
}

std::string in_options(std::string message) {
    static constexpr std::pair<std::string_view, std::string_view> beginnings[]{
        {"max_new_tokens:", "--max-new-tokens:"},
        {"temperature:", "--temperature:"},
        {"top_p:", "--top-p:"},
        {"min_p:", "--min-p:"},
        {"repetition_penalty:", "--repetition-penalty:"},
        {"max_time:", "--max-time:"},
        {"stop strings:", "--stop:"},
        {"threads:", "--threads:"},
        {"capacity:", "--capacity:"},
        {"texts:", "--text:"},
        {"text:", "--text:"},
        {"rank:", "--rank:"},
        {"exit layers:", "--exit-layers:"},
        {"samples:", "--sample-tokens:"}};
    static constexpr std::pair<std::string_view, std::string_view> parts[]{
        {"set cut_prompt to drop its start", "give --cut-prompt to drop its start"},
        {"or a larger capacity", "or a larger --capacity"},
        {"choose a smaller capacity or block", "give a smaller --capacity"}};
    for (const auto& [library, option] : beginnings) {
        if (message.starts_with(library)) message.replace(0, library.size(), option);
    }
    for (const auto& [library, option] : parts) {
        if (const std::size_t at = message.find(library); at != message.npos) {
            message.replace(at, library.size(), option);
        }
    }
    return message;
}

CLI::Option* add_ids(CLI::App& app, std::vector<eo::token_id>& ids) {
    return add_list(app, "--ids", ids, "Token ids")->required();
}

}  // namespace cli
