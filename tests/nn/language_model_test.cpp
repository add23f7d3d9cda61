// SPDX-License-Identifier: MIT
#include <earlyout/core/thread_pool.hpp>
#include <earlyout/nn/language_model.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "support/buffers.hpp"
#include "support/catch.hpp"
#include "support/forward_pass.hpp"
#include "support/random.hpp"
#include "support/random_network.hpp"

namespace eo = earlyout;
using support::same_bits;

namespace {

using pass = support::forward_pass<eo::gpt2<>>;

constexpr std::size_t decoder_layers = 4;
constexpr std::size_t count = 37;

/// Wide enough that matrix products are split between threads, with tails in every dimension.
const eo::gpt2<>& network() {
    static const auto made = support::random_gpt2(
        {.layers = decoder_layers, .d_model = 84, .heads = 6, .d_ff = 333, .vocab = 4001, .context = 64}, 3);
    return made;
}

std::vector<eo::token_id> ids(std::uint32_t seed = 4) {
    return support::random_source(seed).tokens(count, network().shape().vocab);
}

/// Runs all tokens through all layers in one chunk: the reference for all other ways.
std::unique_ptr<pass> whole(const std::vector<eo::token_id>& tokens) {
    auto made = std::make_unique<pass>(network(), tokens, count);
    made->run(1, decoder_layers, 0, count);
    return made;
}

bool same_rows(const pass& a, const pass& b) {
    for (std::size_t p = 0; p < count; ++p) {
        if (!same_bits(a.hidden(p), b.hidden(p))) return false;
    }
    return true;
}

/// Same positions, keys and values in one layer.
bool same_entries(const eo::kv_cache& a, const eo::kv_cache& b, std::size_t layer) {
    if (a.length(layer) != b.length(layer)) return false;
    constexpr std::size_t block = eo::kernels::key_block;
    const eo::model_shape& s = network().shape();
    for (std::size_t entry = 0; entry < a.length(layer); ++entry) {
        if (a.position(layer, entry) != b.position(layer, entry)) return false;
        for (std::size_t head = 0; head < s.kv_heads; ++head) {
            for (std::size_t k = 0; k < s.head_dim; ++k) {
                const std::size_t key = (entry / block * s.head_dim + k) * block + entry % block;
                const std::size_t value = entry * a.value_stride() + k;
                if (a.keys(layer, head)[key] != b.keys(layer, head)[key]) return false;
                if (a.values(layer, head)[value] != b.values(layer, head)[value]) return false;
            }
        }
    }
    return true;
}

bool same_cache(const pass& a, const pass& b) {
    for (std::size_t layer = 1; layer <= decoder_layers; ++layer) {
        if (!same_entries(a.cache, b.cache, layer)) return false;
    }
    return true;
}

}  // namespace

TEST_CASE("the size of a chunk does not change a bit", "[nn][language_model]") {
    const auto expected = whole(ids());
    for (const std::size_t block : {1u, 2u, 3u, 5u, 8u, 11u, 12u, 13u, 16u, 36u}) {
        INFO("block " << block);
        pass cut(network(), ids(), block);
        cut.run(1, decoder_layers, 0, count);
        CHECK(same_rows(cut, *expected));
        CHECK(same_cache(cut, *expected));
    }
}

TEST_CASE("the number of threads does not change a bit", "[nn][language_model]") {
    const auto expected = whole(ids());
    for (const std::size_t threads : {1u, 2u, 3u, 7u}) {
        eo::thread_pool pool(threads);
        for (const std::size_t block : {1u, 9u, 37u}) {
            INFO(threads << " threads, block " << block);
            pass split(network(), ids(), block, pool);
            split.run(1, decoder_layers, 0, count);
            CHECK(same_rows(split, *expected));
            CHECK(same_bits(split.logits(count - 1), whole(ids())->logits(count - 1)));
        }
    }
}

TEST_CASE("layers and tokens may run in any pieces that keep their order", "[nn][language_model]") {
    const auto expected = whole(ids());
    support::random_source random(5);
    for (int round = 0; round < 10; ++round) {
        pass cut(network(), ids(), 1 + random.index(16));
        std::size_t reached[decoder_layers + 1] = {count};
        while (reached[decoder_layers] < count) {
            // Some layers for some tokens that all layers below have seen.
            const std::size_t first = 1 + random.index(decoder_layers);
            const std::size_t waiting = reached[first - 1] - reached[first];
            if (waiting == 0) continue;
            std::size_t last = first;  // deeper ones only if no deferred token is in between
            while (last < decoder_layers && reached[last + 1] == reached[first] && random.index(2) == 0) ++last;
            const std::size_t begin = reached[first];
            const std::size_t end = begin + 1 + random.index(waiting);
            cut.run(first, last, begin, end);
            for (std::size_t layer = first; layer <= last; ++layer) reached[layer] = end;
        }
        CHECK(same_rows(cut, *expected));
        CHECK(same_cache(cut, *expected));
    }
}

TEST_CASE("tokens of other sequences in the chunk do not change a bit", "[nn][language_model]") {
    const auto a_alone = whole(ids(6));
    const auto b_alone = whole(ids(7));
    pass a(network(), ids(6), count);
    pass b(network(), ids(7), count);
    std::vector<eo::layer_token> mixed;
    for (std::size_t p = 0; p < count; ++p) {
        mixed.push_back(b.tokens(p, p + 1)[0]);
        mixed.push_back(a.tokens(p, p + 1)[0]);
    }
    eo::thread_pool pool(2);
    eo::run_context context(network(), 10, pool);
    network().run_layers(1, decoder_layers, mixed, context);
    CHECK(same_rows(a, *a_alone));
    CHECK(same_rows(b, *b_alone));
    CHECK(same_cache(a, *a_alone));
    CHECK(same_cache(b, *b_alone));
}

TEST_CASE("sequences of different lengths share a chunk", "[nn][language_model]") {
    const auto a_alone = whole(ids(6));
    const auto b_alone = whole(ids(7));
    pass a(network(), ids(6), count);
    pass b(network(), ids(7), count);
    // The last sees one entry, the first all of them: the last one must not decide for the others.
    a.run(1, decoder_layers, 0, count - 1);
    const std::vector<eo::layer_token> uneven{a.tokens(count - 1, count)[0], b.tokens(0, 1)[0]};
    eo::thread_pool pool(2);
    eo::run_context context(network(), 2, pool);
    network().run_layers(1, decoder_layers, uneven, context);
    CHECK(same_bits(a.hidden(count - 1), a_alone->hidden(count - 1)));
    CHECK(same_bits(b.hidden(0), b_alone->hidden(0)));
}

TEST_CASE("later tokens do not change earlier ones", "[nn][language_model]") {
    std::vector<eo::token_id> other = ids();
    other.back() = (other.back() + 1) % 4001;
    const auto a = whole(ids());
    const auto b = whole(other);
    for (std::size_t p = 0; p + 1 < count; ++p) CHECK(same_bits(a->hidden(p), b->hidden(p)));
    CHECK_FALSE(same_bits(a->hidden(count - 1), b->hidden(count - 1)));
}

TEST_CASE("updating only the cache stores what the layer itself would have stored", "[nn][language_model]") {
    // Layer 3 computes its keys and values from the same rows, whether or not it then runs.
    pass filled(network(), ids(), 5);
    filled.run(1, 2, 0, count);
    std::vector<float> before;
    for (std::size_t p = 0; p < count; ++p)
        before.insert(before.end(), filled.hidden(p).begin(), filled.hidden(p).end());
    filled.update_kv_only(3, 4, 0, count);

    pass ran(network(), ids(), 16);
    ran.run(1, 3, 0, count);
    CHECK(same_entries(filled.cache, ran.cache, 3));

    // Layer 4 saw the row as layer 2 left it.
    pass skipping(network(), ids(), 16);
    skipping.run(1, 2, 0, count);
    skipping.run(4, 4, 0, count);
    CHECK(same_entries(filled.cache, skipping.cache, 4));

    std::vector<float> after;
    for (std::size_t p = 0; p < count; ++p) after.insert(after.end(), filled.hidden(p).begin(), filled.hidden(p).end());
    CHECK(same_bits(before, after));
}

TEST_CASE("a rolled back sequence continues as if nothing had happened", "[nn][language_model]") {
    const auto expected = whole(ids());
    std::vector<eo::token_id> wrong = ids();
    for (std::size_t p = 20; p < count; ++p) wrong[p] = 1;
    pass detour(network(), wrong, 7);
    detour.run(1, decoder_layers, 0, 30);
    detour.cache.truncate(20);

    pass right(network(), ids(), 7);
    std::vector<eo::layer_token> rest(right.tokens(20, count).begin(), right.tokens(20, count).end());
    for (eo::layer_token& token : rest) token.cache = &detour.cache;
    eo::run_context context(network(), 7, support::one_thread());
    network().run_layers(1, decoder_layers, rest, context);
    for (std::size_t p = 20; p < count; ++p) CHECK(same_bits(right.hidden(p), expected->hidden(p)));
    CHECK(same_cache(detour, *expected));
}

TEST_CASE("running nothing changes nothing", "[nn][language_model]") {
    pass p(network(), ids(), 5);
    const std::vector<float> before(p.hidden(0).begin(), p.hidden(0).end());
    p.run(1, decoder_layers, 0, 0);
    p.run(3, 2, 0, 5);
    CHECK(same_bits(p.hidden(0), before));
    CHECK(p.cache.length(1) == 0);
}

TEST_CASE("a language model reports how many bytes it reads", "[nn][language_model]") {
    // Rows are stored 32 at a time; keys begin a group of their own.
    const auto rows = [](std::size_t n) { return eo::round_up(n, 32); };
    constexpr std::size_t width = 84, wide = 333, vocab = 4001, context = 64;
    const std::size_t key_and_value = rows(2 * width) * width;
    const std::size_t attention_in = rows(width) * width + key_and_value + (rows(width) + 2 * width);
    const std::size_t attention_out = rows(width) * width + width;
    const std::size_t feed_forward = rows(wide) * width + wide + rows(width) * wide + width;
    const std::size_t norms = 2 * 2 * width;
    for (std::size_t layer = 1; layer <= decoder_layers; ++layer) {
        CHECK(network().layer_bytes(layer) == 4 * (attention_in + attention_out + feed_forward + norms));
        CHECK(network().update_kv_bytes(layer) == 4 * (key_and_value + 2 * width + 2 * width));
    }
    CHECK(network().output_bytes() == 4 * (rows(vocab) * width + vocab + 2 * width));
    CHECK(network().embedding_bytes() == 4 * context * width);
    CHECK(network().tied());
    // And it counts them when it reads them.
    pass counted(network(), ids(), 16);
    counted.run(2, 3, 0, 16);
    CHECK(counted.work() == eo::work_count{2 * 16, network().layer_bytes(2) + network().layer_bytes(3)});
    counted.run(2, 2, 16, 33);  // two chunks
    CHECK(counted.work().weight_bytes == 3 * network().layer_bytes(2) + network().layer_bytes(3));
    const eo::work_count before = counted.work();
    counted.update_kv_only(4, 4, 0, 16);
    CHECK(counted.work() - before == eo::work_count{0, network().update_kv_bytes(4)});
    (void)counted.logits(0);
    CHECK(counted.work().weight_bytes - before.weight_bytes == network().update_kv_bytes(4) + network().output_bytes());
    CHECK(network().weight_format() == "f32");
}
