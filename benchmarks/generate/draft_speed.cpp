// SPDX-License-Identifier: MIT
// What drafts gain: texts are continued at full depth and with each of the drafts, in turns. Prints how many of the
// continuations are identical, the speed relative to none with the middle half of the rounds, and what was accepted.
//
//     earlyout_draft_speed MODEL TEXT [--format F] [--threads N] [--prompt TOKENS] [--new-tokens N] [--samples N]
//                          [--rounds N] [--temperature T] POLICY...
#include <earlyout/generate/make_session.hpp>
#include <earlyout/io/load.hpp>
#include <earlyout/io/model_text.hpp>
#include <earlyout/models/any_model.hpp>

#include "../quantile.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace eo = earlyout;

namespace {

struct settings {
    std::string model, text, format = "stored";
    std::size_t threads = 1, prompt = 128, new_tokens = 64, samples = 16, rounds = 5;
    float temperature = 0.0f;
    std::vector<std::string> policies;
};

struct measured {
    std::string name;
    eo::any_session session;
    std::vector<double> seconds{}, relative{};
    std::size_t identical = 0, tokens = 0, drafted = 0, accepted = 0;
    double draft_seconds = 0.0;
    std::map<std::string, std::pair<std::size_t, std::size_t>> by_drafter{};
};

int run(const settings& s) {
    const auto model = eo::io::load<eo::any_model>(s.model, eo::any_format(std::string_view(s.format)));
    std::ifstream file(s.text, std::ios::binary);
    if (!file) eo::fail(eo::errc::io, s.text, ": cannot be read");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const std::vector<eo::token_id> ids = model.tokenizer().encode_plain(text);
    if (ids.size() < s.prompt) {
        eo::fail(eo::errc::invalid_argument, s.text, ": expected at least ", s.prompt, " tokens, found ", ids.size());
    }
    const eo::session_options options{.capacity = s.prompt + s.new_tokens, .threads = s.threads};
    std::vector<measured> all;
    all.push_back({.name = "full-depth", .session = eo::make_session(model, {}, options)});
    for (const std::string& policy : s.policies) {
        const auto spec = eo::resolve(eo::policy_spec::parse(policy), model);
        all.push_back({.name = to_string(spec), .session = eo::make_session(model, spec, options)});
    }
    for (std::size_t round = 0; round <= s.rounds; ++round) {
        std::vector<double> seconds(all.size());
        for (std::size_t sample = 0; sample < s.samples; ++sample) {
            const std::size_t from = (ids.size() - s.prompt) * sample / std::max<std::size_t>(1, s.samples - 1);
            const auto prompt = std::span(ids).subspan(std::min(from, ids.size() - s.prompt), s.prompt);
            const eo::generate_options generate{.max_new_tokens = s.new_tokens,
                                                .temperature = s.temperature,
                                                .seed = sample,
                                                .end_of_text = std::vector<eo::token_id>{}};
            eo::completion expected;
            for (std::size_t i = 0; i < all.size(); ++i) {
                measured& m = all[i];
                const eo::completion made = m.session.complete(prompt, generate);
                if (i == 0) expected = made;
                seconds[i] += made.stats.decode_seconds;
                if (round == 0) {
                    m.identical += made.ids == expected.ids && made.log_probabilities == expected.log_probabilities;
                    m.tokens += made.ids.size() - 1;
                    continue;
                }
                m.drafted += made.stats.drafted;
                m.accepted += made.stats.accepted;
                m.draft_seconds += made.stats.draft_seconds;
                for (const auto& d : made.stats.by_drafter) {
                    m.by_drafter[d.name].first += d.drafted;
                    m.by_drafter[d.name].second += d.accepted;
                }
            }
        }
        if (round == 0) continue;  // warms up
        for (std::size_t i = 0; i < all.size(); ++i) {
            all[i].seconds.push_back(seconds[i]);
            all[i].relative.push_back(seconds[0] / seconds[i]);
        }
    }
    std::printf("%s, %s, %zu threads: %zu texts of %zu tokens, continued by %zu, temperature %g, %zu rounds\n",
                s.model.c_str(), model.network().weight_format().c_str(), s.threads, s.samples, s.prompt, s.new_tokens,
                static_cast<double>(s.temperature), s.rounds);
    for (const measured& m : all) {
        const double tokens = static_cast<double>(m.tokens), rounds = static_cast<double>(s.rounds);
        std::printf("%s\n  identical %zu of %zu; %.3f x (%.3f .. %.3f); %.1f tokens/s", m.name.c_str(), m.identical,
                    s.samples, quantile(m.relative, 0.5), quantile(m.relative, 0.25), quantile(m.relative, 0.75),
                    tokens / quantile(m.seconds, 0.5));
        const double blocks = tokens * rounds - static_cast<double>(m.accepted);
        std::printf("; %.3f tokens per block; drafted %zu, accepted %.1f %%; %.2f us of drafting a token\n",
                    tokens * rounds / blocks, m.drafted,
                    m.drafted == 0 ? 0.0 : 100.0 * static_cast<double>(m.accepted) / static_cast<double>(m.drafted),
                    1e6 * m.draft_seconds / (tokens * rounds));
        for (const auto& [name, counts] : m.by_drafter) {
            std::printf("    %s: drafted %zu, accepted %zu\n", name.c_str(), counts.first, counts.second);
        }
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    settings s;
    CLI::App app("What drafts gain where a model continues pieces of a text");
    app.add_option("model", s.model)->required();
    app.add_option("text", s.text)->required();
    app.add_option("policies", s.policies)->required();
    app.add_option("--format", s.format)->capture_default_str();
    app.add_option("--threads", s.threads)->check(CLI::Range(1, 1 << 20))->capture_default_str();
    app.add_option("--prompt", s.prompt, "Tokens of a piece")->check(CLI::Range(1, 1 << 20))->capture_default_str();
    app.add_option("--new-tokens", s.new_tokens)->check(CLI::Range(2, 1 << 20))->capture_default_str();
    app.add_option("--samples", s.samples)->check(CLI::Range(1, 1 << 20))->capture_default_str();
    app.add_option("--rounds", s.rounds)->check(CLI::Range(1, 1 << 20))->capture_default_str();
    app.add_option("--temperature", s.temperature)->check(CLI::NonNegativeNumber)->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    try {
        return run(s);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "earlyout_draft_speed: %s\n", e.what());
        return 1;
    }
}
