// SPDX-License-Identifier: MIT
// Omitted cache entries, against GPT-2 from its definition with a mask for each layer.
#include <earlyout/exit/cache/omit.hpp>
#include <earlyout/exit/gates/always.hpp>
#include <earlyout/exit/gates/fixed_layer.hpp>
#include <earlyout/generate/session.hpp>

#include <cmath>
#include <cstddef>
#include <random>
#include <string>
#include <vector>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"
#include "support/reference.hpp"

using namespace support;
using reference::vector;

namespace {

const eo::model_shape shape{.layers = 6, .d_model = 20, .heads = 5, .vocab = 97, .context = 64};

/// GPT-2 in double precision.
class masked_gpt2 {
public:
    explicit masked_gpt2(std::uint32_t seed) : weights_(random_gpt2_checkpoint(shape, seed)) {}

    /// States of all tokens at their own depth; in a layer a token attends to those that reached it, and to itself.
    std::vector<vector> states(const std::vector<eo::token_id>& ids, const std::vector<std::size_t>& depth) const {
        const std::size_t d = shape.d_model;
        const std::vector<float> tokens = get("wte.weight", {shape.vocab, d});
        const std::vector<float> places = get("wpe.weight", {shape.context, d});
        std::vector<vector> x(ids.size(), vector(d));
        for (std::size_t p = 0; p < ids.size(); ++p) {
            for (std::size_t k = 0; k < d; ++k) {
                x[p][k] = double{tokens[static_cast<std::size_t>(ids[p]) * d + k]} + double{places[p * d + k]};
            }
        }
        for (std::size_t layer = 1; layer <= shape.layers; ++layer) run(layer, depth, x);
        return x;
    }

private:
    std::vector<float> get(const std::string& name, std::initializer_list<std::size_t> extents) const {
        return eo::read_tensor(weights_, name, extents);
    }
    vector norm(const std::string& name, const vector& x) const {
        return reference::layer_norm(x, get(name + ".weight", {20}), get(name + ".bias", {20}), 1e-5);
    }
    /// GPT-2 stores matrices as [in, out].
    vector conv1d(const std::string& name, const vector& x, std::size_t out) const {
        const std::vector<float> weight = get(name + ".weight", {x.size(), out}), bias = get(name + ".bias", {out});
        vector y(bias.begin(), bias.end());
        for (std::size_t k = 0; k < x.size(); ++k) {
            for (std::size_t r = 0; r < out; ++r) y[r] += double{weight[k * out + r]} * x[k];
        }
        return y;
    }
    void run(std::size_t layer, const std::vector<std::size_t>& depth, std::vector<vector>& x) const {
        const std::string name = "h." + std::to_string(layer - 1);
        const std::size_t d = shape.d_model, head_dim = d / shape.heads;
        std::vector<vector> seen;  // q, k and v of the tokens that reach this layer, in order
        for (std::size_t p = 0; p < x.size(); ++p) {
            if (depth[p] < layer) continue;
            seen.push_back(conv1d(name + ".attn.c_attn", norm(name + ".ln_1", x[p]), 3 * d));
            vector attended;
            for (std::size_t head = 0; head < shape.heads; ++head) {
                const auto part = [&](const vector& all, std::size_t which) {
                    const auto from = all.begin() + static_cast<std::ptrdiff_t>(which * d + head * head_dim);
                    return vector(from, from + static_cast<std::ptrdiff_t>(head_dim));
                };
                std::vector<vector> keys, values;
                for (const vector& each : seen) {
                    keys.push_back(part(each, 1));
                    values.push_back(part(each, 2));
                }
                const vector one = reference::attend(part(seen.back(), 0), keys, values,
                                                     1.0 / std::sqrt(static_cast<double>(head_dim)));
                attended.insert(attended.end(), one.begin(), one.end());
            }
            add(x[p], conv1d(name + ".attn.c_proj", attended, d));
            vector inner = conv1d(name + ".mlp.c_fc", norm(name + ".ln_2", x[p]), 4 * d);
            for (double& value : inner) value = reference::gelu_tanh(value);
            add(x[p], conv1d(name + ".mlp.c_proj", inner, d));
        }
    }
    static void add(vector& to, const vector& what) {
        for (std::size_t k = 0; k < to.size(); ++k) to[k] += what[k];
    }

    eo::memory_checkpoint weights_;
};

}  // namespace

TEST_CASE("omitted tokens are masked in the layers they skipped", "[generate][omit]") {
    const masked_gpt2 plain(1);  // small_network()
    std::mt19937 engine(1);
    for (std::uint32_t seed = 0; seed < 3; ++seed) {
        ids all = random_prompt(engine, 5 + seed);
        const std::size_t prompt = all.size();
        eo::session s{small_network(), policy(hash_gate{.seed = seed, .exit_percent = 25}, eo::omit{})};
        const eo::completion made = s.complete(all, {.max_new_tokens = 20});
        std::vector<std::size_t> depth(prompt - 1, 6);
        depth.insert(depth.end(), made.exit_layers.begin(), made.exit_layers.end());
        all.insert(all.end(), made.ids.begin(), made.ids.end() - 1);  // nothing was predicted from the last
        REQUIRE(s.tokens().size() == all.size());

        const std::vector<vector> masked = plain.states(all, depth);
        const std::vector<vector> whole = plain.states(all, std::vector<std::size_t>(all.size(), 6));
        double matters = 0.0;
        for (std::size_t p = prompt - 1; p < all.size(); ++p) {
            CAPTURE(seed, p, depth[p]);
            REQUIRE(reference::distance(s.tokens().hidden_state(p), masked[p]) < 1e-3);
            if (depth[p] == 6) matters = std::max(matters, reference::distance(masked[p], whole[p]));
        }
        CHECK(matters > 0.05);

        std::size_t below = all.size();
        for (std::size_t layer = 1; layer <= 6; ++layer) {
            const auto came = static_cast<std::size_t>(
                std::ranges::count_if(depth, [layer](std::size_t reached) { return reached >= layer; }));
            CHECK(s.tokens().cache_length(layer) == came);
            CHECK(s.tokens().cache_length(layer) <= below);  // lengths never increase with depth
            below = came;
        }
    }
}

TEST_CASE("omitted tokens are recomputed once they are part of a prompt", "[generate][omit]") {
    std::mt19937 engine(2);
    ids prompt = random_prompt(engine, 8);
    for (const std::size_t layer : {std::size_t{2}, std::size_t{5}}) {
        const auto leaves = policy(eo::fixed_layer{layer}, eo::omit{});
        eo::session s{small_network(), leaves};
        const eo::completion made = s.complete(prompt, {.max_new_tokens = 6});
        CHECK(s.tokens().exact_prefix() == 8);  // even where it skipped the top layer alone
        CHECK(s.tokens().cache_length(6) == 8);
        CHECK(s.tokens().cache_length(1) == 13);
        ids longer = prompt;
        longer.insert(longer.end(), made.ids.begin(), made.ids.end());
        const eo::completion next = s.complete(longer, {.max_new_tokens = 6});
        CHECK(next.stats.reused_tokens == 8);
        eo::session fresh{small_network(), leaves};
        CHECK(same_output(next, fresh.complete(longer, {.max_new_tokens = 6})));
        CHECK(s.tokens().cache_length(6) == 14);
    }
}

TEST_CASE("omitting reads no weights for skipped layers", "[generate][omit]") {
    const auto& network = small_network();
    eo::session s{network, policy(eo::fixed_layer{2}, eo::omit{})};
    const eo::completion made = s.complete(ids{1, 2, 3, 4}, {.max_new_tokens = 4});
    CHECK(made.exit_layers == std::vector<std::size_t>{6, 2, 2, 2});
    CHECK(made.stats.decode.layer_tokens == 6);
    CHECK(made.stats.decode.weight_bytes ==
          3 * (network.layer_bytes(1) + network.layer_bytes(2) + network.output_bytes()));
    CHECK(made.stats.catch_up_layer_tokens == 0);
}
