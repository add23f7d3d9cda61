// SPDX-License-Identifier: MIT
// What drafts at an exit gain at the size of another model, if they are accepted as often: a replay. A model with exits
// continues pieces of a text; for each token is recorded whether its first layers would have drafted the next one, and
// whether that would have been accepted. Then another model, whose weights may be random, drafts and verifies: all its
// work is done, but the drafted tokens are accepted as recorded. It exits after a quarter of its layers.
//
//     earlyout_depth_replay MODEL RECORDED TEXT [--format F] [--threads N] [--samples N] [--new-tokens N] [--rounds N]
//                           [--margin P] [--layer L]
//
// RECORDED: the model with exits; a draft ends where its margin after layer L is below P.
#include <earlyout/exit/gates/margin.hpp>
#include <earlyout/exit/heads/shortlist.hpp>
#include <earlyout/generate/drafts/depth_drafts.hpp>
#include <earlyout/generate/session.hpp>
#include <earlyout/io/load.hpp>
#include <earlyout/models/any_model.hpp>

#include "../quantile.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace eo = earlyout;

namespace {

constexpr std::size_t prompt_tokens = 128;

enum class draft_kind : std::uint8_t { none, right, wrong };

/// By position; the first is that of the prompt's last token.
using record = std::vector<draft_kind>;

/// Looks at what the exit would draft for each token, and drafts nothing.
struct recorder {
    static constexpr bool uses_exits = true;
    std::shared_ptr<std::vector<std::optional<eo::token_id>>> found;

    void propose(std::span<const eo::token_id> ids, eo::draft_context& context, eo::draft&) const {
        const auto exited = context.exits().predict();
        found->resize(ids.size());
        found->back() = exited ? std::optional(exited->token) : std::nullopt;
    }
};

/// Decides as recorded, at the cost of a gate that reads the arg-max.
struct recorded_gate {
    static constexpr eo::signal_set signals = eo::signal::argmax;
    const record* of = nullptr;

    eo::decision operator()(const auto& s) const {
        (void)s.argmax();
        const std::size_t p = s.position();
        return p < of->size() && (*of)[p] != draft_kind::none ? eo::decision::exit : eo::decision::go_on;
    }
};

/// A network whose verified tokens are the drafted ones where the record says so. It does all the work of the other.
class replayed {
public:
    using output_matrix = eo::any_model::output_matrix;

    explicit replayed(const eo::any_model& of) : of_(&of) {}
    /// @param tokens of the session that runs; nullptr: replay nothing
    void replay(const eo::sequence* tokens, const record* accepted) noexcept { tokens_ = tokens, record_ = accepted; }

    [[nodiscard]] const eo::model_shape& shape() const noexcept { return of_->shape(); }
    void embed(eo::token_id id, std::size_t position, float* row) const { of_->embed(id, position, row); }
    void run_layers(std::size_t first, std::size_t last, std::span<const eo::layer_token> tokens,
                    eo::run_context& context) const {
        of_->run_layers(first, last, tokens, context);
    }
    void update_kv_only(std::size_t first, std::size_t last, std::span<const eo::layer_token> tokens,
                        eo::run_context& context) const {
        of_->update_kv_only(first, last, tokens, context);
    }
    void logits(eo::matrix_view<const float> rows, eo::matrix_view<float> out, eo::run_context& context) const {
        of_->logits(rows, out, context);
    }
    void logit_summaries(eo::matrix_view<const float> rows, std::span<eo::kernels::logit_summary> out,
                         eo::run_context& context) const {
        of_->logit_summaries(rows, out, context);
        if (tokens_ == nullptr) return;
        const std::span<const eo::token_id> ids = tokens_->ids();
        const std::size_t first = ids.size() - out.size();
        for (std::size_t i = 0; i + 1 < out.size(); ++i) {
            const auto drafted = static_cast<std::size_t>(ids[first + i + 1]);
            const bool right = (*record_)[first + i] == draft_kind::right;
            out[i].top.index = right ? drafted : (drafted + 1) % shape().vocab;
        }
    }
    [[nodiscard]] output_matrix allocate_output_rows(std::size_t count) const {
        return of_->allocate_output_rows(count);
    }
    void gather_output_rows(std::span<const eo::token_id> ids, output_matrix& into, eo::run_context& context) const {
        of_->gather_output_rows(ids, into, context);
    }
    void gathered_logits(const output_matrix& gathered, eo::matrix_view<const float> rows, eo::matrix_view<float> out,
                         eo::run_context& context) const {
        of_->gathered_logits(gathered, rows, out, context);
    }
    [[nodiscard]] std::size_t scratch_bytes(std::size_t tokens, std::size_t pieces) const {
        return of_->scratch_bytes(tokens, pieces);
    }

private:
    const eo::any_model* of_;
    const eo::sequence* tokens_ = nullptr;
    const record* record_ = nullptr;
};

struct settings {
    std::string model, recorded, text, format = "stored";
    std::size_t threads = 1, samples = 4, new_tokens = 64, rounds = 3, layer = 2;
    float margin = 0.3f;
};

std::vector<record> records_of(const settings& s) {
    const auto model = eo::io::load<eo::any_model>(s.recorded, eo::any_format("int8"));
    std::ifstream file(s.text, std::ios::binary);
    if (!file) eo::fail(eo::errc::no_such_file, s.text, ": cannot be read");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const std::vector<eo::token_id> ids = model.tokenizer().encode_plain(text);
    if (ids.size() < prompt_tokens) {
        eo::fail(eo::errc::invalid_argument, s.text, ": expected at least ", prompt_tokens, " tokens, found ",
                 ids.size());
    }
    std::vector<record> made;
    std::array<std::size_t, 3> counts{};
    for (std::size_t i = 0; i < s.samples; ++i) {
        const std::size_t from = (ids.size() - prompt_tokens) * i / std::max<std::size_t>(1, s.samples - 1);
        const recorder looks{std::make_shared<std::vector<std::optional<eo::token_id>>>()};
        eo::session session{
            model,
            eo::exit_policy{eo::exit_plan{std::vector{s.layer}, eo::margin{s.margin}}, eo::shortlist{512}},
            looks,
            {.capacity = prompt_tokens + s.new_tokens}};
        const auto done =
            session.complete(std::span(ids).subspan(from, prompt_tokens),
                             {.max_new_tokens = s.new_tokens, .end_of_text = std::vector<eo::token_id>{}});
        record& r = made.emplace_back(prompt_tokens + s.new_tokens, draft_kind::none);
        for (std::size_t k = 1; k < done.ids.size(); ++k) {  // the token at position p predicts done.ids[k]
            const std::size_t p = prompt_tokens + k - 1;
            const auto drafted = p < looks.found->size() ? (*looks.found)[p] : std::nullopt;
            if (drafted) r[p] = *drafted == done.ids[k] ? draft_kind::right : draft_kind::wrong;
            ++counts[static_cast<std::size_t>(r[p])];
        }
    }
    const double all = static_cast<double>(counts[0] + counts[1] + counts[2]);
    std::printf("recorded of %s after layer %zu, margin %g: drafts for %.3f of the tokens, %.3f of them right\n",
                s.recorded.c_str(), s.layer, static_cast<double>(s.margin),
                static_cast<double>(counts[1] + counts[2]) / all,
                static_cast<double>(counts[1]) / static_cast<double>(counts[1] + counts[2]));
    return made;
}

int run(const settings& s) {
    const std::vector<record> records = records_of(s);
    const auto real =
        eo::any_model::from_checkpoint(*eo::io::open_checkpoint(s.model), eo::any_format(std::string_view(s.format)));
    replayed network(real);
    const std::size_t layers = network.shape().layers, exit = std::max<std::size_t>(1, layers / 4);
    const eo::session_options options{.capacity = prompt_tokens + s.new_tokens, .threads = s.threads};
    const eo::generate_options generate{.max_new_tokens = s.new_tokens, .end_of_text = std::vector<eo::token_id>{}};
    eo::session plain{network, eo::full_depth(), options};
    record current;
    eo::session drafting{
        network, eo::exit_policy{eo::exit_plan{std::vector{exit}, recorded_gate{&current}}, eo::shortlist{2048}},
        eo::depth_drafts{}, options};
    std::vector<eo::token_id> prompt(prompt_tokens);
    for (std::size_t i = 0; i < prompt.size(); ++i) {
        prompt[i] = static_cast<eo::token_id>((i * 7919 + 13) % network.shape().vocab);
    }
    std::vector<double> speed;
    double tokens = 0.0, steps = 0.0, drafted = 0.0, accepted = 0.0;
    for (std::size_t round = 0; round <= s.rounds; ++round) {
        double alone = 0.0, together = 0.0;
        for (const record& r : records) {
            network.replay(nullptr, nullptr);
            alone += plain.complete(prompt, generate).stats.decode_seconds;
            current = r;
            network.replay(&drafting.tokens(), &current);
            const eo::run_stats stats = drafting.complete(prompt, generate).stats;
            together += stats.decode_seconds;
            if (round == 0) continue;  // the planner measures
            tokens += static_cast<double>(s.new_tokens - 1);
            steps += static_cast<double>(stats.decode_steps);
            drafted += static_cast<double>(stats.drafted);
            accepted += static_cast<double>(stats.accepted);
        }
        if (round != 0) speed.push_back(alone / together);
    }
    std::printf(
        "replayed by %s, %s, %zu threads, after layer %zu of %zu: %.3f x (%.3f .. %.3f); %.2f tokens per step, "
        "%.2f drafted, %.1f %% of them accepted\n",
        s.model.c_str(), real.weight_format().c_str(), s.threads, exit, layers, quantile(speed, 0.5),
        quantile(speed, 0.0), quantile(speed, 1.0), tokens / steps, drafted / steps, 100.0 * accepted / drafted);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    settings s;
    CLI::App app("What drafts at an exit gain at the size of another model: a replay");
    app.add_option("model", s.model)->required();
    app.add_option("recorded", s.recorded, "Model with exits")->required();
    app.add_option("text", s.text)->required();
    app.add_option("--format", s.format)->capture_default_str();
    app.add_option("--threads", s.threads)->check(CLI::Range(1, 1 << 20))->capture_default_str();
    app.add_option("--samples", s.samples)->check(CLI::Range(1, 1 << 20))->capture_default_str();
    app.add_option("--new-tokens", s.new_tokens)->check(CLI::Range(2, 1 << 20))->capture_default_str();
    app.add_option("--rounds", s.rounds)->check(CLI::Range(1, 1 << 20))->capture_default_str();
    app.add_option("--margin", s.margin, "Recorded drafts end below it")->capture_default_str();
    app.add_option("--layer", s.layer, "Exit of the recorded model")
        ->check(CLI::Range(1, 1 << 20))
        ->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    try {
        return run(s);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "earlyout_depth_replay: %s\n", e.what());
        return 1;
    }
}
