// SPDX-License-Identifier: MIT
#include <earlyout/nn/block.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/forward_pass.hpp"

namespace eo = earlyout;

namespace {

std::vector<std::string> calls;

/// Parts simple enough to follow by head.
struct add_one {
    void operator()(const float* x, float* out) const {
        for (int i = 0; i < 2; ++i) out[i] = x[i] + 1.0f;
    }
    std::size_t bytes() const { return 1; }
};
struct times {
    float factor = 1.0f;
    void operator()(std::size_t layer, std::span<const eo::layer_token> tokens, eo::matrix_view<const float> normed,
                    eo::matrix_view<float> update, eo::run_context&) const {
        calls.push_back("attention at layer " + std::to_string(layer) + ", " + std::to_string(tokens.size()));
        apply(normed, update);
    }
    void operator()(eo::matrix_view<const float> normed, eo::matrix_view<float> update, eo::run_context&) const {
        calls.push_back("feed-forward");
        apply(normed, update);
    }
    void update_kv_only(std::size_t layer, std::span<const eo::layer_token>, eo::matrix_view<const float> normed,
                        eo::run_context&) const {
        calls.push_back("keys and values at layer " + std::to_string(layer) + " from " +
                        std::to_string(static_cast<int>(normed.row(1)[0])));
    }
    std::size_t bytes() const { return static_cast<std::size_t>(factor); }
    std::size_t d_model() const { return 2; }
    std::size_t scratch_bytes(std::size_t, std::size_t = 1) const { return 0; }
    std::size_t update_kv_bytes() const { return 3; }

private:
    void apply(eo::matrix_view<const float> normed, eo::matrix_view<float> update) const {
        for (std::size_t t = 0; t < normed.rows(); ++t) {
            for (std::size_t i = 0; i < 2; ++i) update.row(t)[i] = factor * normed.row(t)[i];
        }
    }
};

const eo::pre_norm_block<add_one, times, times> summing_block{{}, {10.0f}, {}, {100.0f}};

}  // namespace

TEST_CASE("a block adds attention of the norm, then feed-forward of the norm", "[nn][block]") {
    calls.clear();
    // Rows need not be contiguous.
    float first[] = {1, 2}, second[] = {3, 4};
    const std::vector<eo::layer_token> tokens{{nullptr, 0, second}, {nullptr, 1, first}};
    eo::run_context context(summing_block, 2, support::one_thread());
    summing_block(7, tokens, context);
    // h = 1: h += 10 (h + 1) gives 21; h += 100 (h + 1) gives 2221.
    CHECK(first[0] == 2221.0f);
    CHECK(first[1] == 32.0f + 3300.0f);
    CHECK(second[0] == 43.0f + 4400.0f);
    CHECK(second[1] == 54.0f + 5500.0f);
    CHECK(calls == std::vector<std::string>{"attention at layer 7, 2", "feed-forward"});
}

TEST_CASE("updating only a block's cache passes attention the norm and keeps the rows", "[nn][block]") {
    calls.clear();
    float rows[] = {1, 2, 3, 4};
    const std::vector<eo::layer_token> tokens{{nullptr, 0, rows}, {nullptr, 1, rows + 2}};
    eo::run_context context(summing_block, 2, support::one_thread());
    summing_block.update_kv_only(3, tokens, context);
    CHECK(std::vector<float>(rows, rows + 4) == std::vector<float>{1, 2, 3, 4});
    CHECK(calls == std::vector<std::string>{"keys and values at layer 3 from 4"});
}

TEST_CASE("the halves of a parallel block read the same norm", "[nn][block]") {
    calls.clear();
    const eo::parallel_block<add_one, times, times> parallel{{}, {10.0f}, {100.0f}};
    float first[] = {1, 2}, second[] = {3, 4};
    const std::vector<eo::layer_token> tokens{{nullptr, 0, second}, {nullptr, 1, first}};
    eo::run_context context(parallel, 2, support::one_thread());
    parallel(7, tokens, context);
    // h = 1: h += 10 (h + 1) + 100 (h + 1) gives 221.
    CHECK(first[0] == 221.0f);
    CHECK(first[1] == 332.0f);
    CHECK(second[1] == 554.0f);
    parallel.update_kv_only(3, tokens, context);
    CHECK(calls ==
          std::vector<std::string>{"attention at layer 7, 2", "feed-forward", "keys and values at layer 3 from 222"});
    CHECK(first[0] == 221.0f);
    CHECK(parallel.bytes() == 111);
    CHECK(parallel.update_kv_bytes() == 4);
}

TEST_CASE("a block counts all its parts", "[nn][block]") {
    CHECK(summing_block.bytes() == 112);
    CHECK(summing_block.update_kv_bytes() == 4);
}

TEST_CASE("a scaled residual multiplies what both halves add", "[nn][block]") {
    const eo::pre_norm_block<add_one, times, times, eo::scaled_residual> scaled{{}, {10.0f}, {}, {100.0f}, {0.5f}};
    float row[] = {1, 2};
    const std::vector<eo::layer_token> tokens{{nullptr, 0, row}};
    eo::run_context context(scaled, 1, support::one_thread());
    scaled(1, tokens, context);
    // h = 1: h += 0.5 * 10 (h + 1) gives 11; h += 0.5 * 100 (h + 1) gives 611.
    CHECK(row[0] == 611.0f);
    STATIC_REQUIRE(sizeof(eo::pre_norm_block<add_one, times, times>) < sizeof scaled);
}

TEST_CASE("the halves of a two-norm block read the layer's input, or follow each other", "[nn][block]") {
    eo::two_norm_block<add_one, times, times> block{{{}, {10.0f}, {}, {100.0f}}, true};
    const auto run = [&] {
        std::vector<float> row{1, 2};
        const std::vector<eo::layer_token> tokens{{nullptr, 0, row.data()}};
        eo::run_context context(block, 1, support::one_thread());
        block(1, tokens, context);
        return row;
    };
    CHECK(run()[0] == 1.0f + 20.0f + 200.0f);
    block.parallel = false;
    CHECK(run()[0] == 2221.0f);
    CHECK(block.bytes() == 112);
}

TEST_CASE("a post-norm block normalises what its halves add", "[nn][block]") {
    calls.clear();
    const eo::post_norm_block<add_one, times, times, add_one> block{{}, {10.0f}, {}, {}, {100.0f}, {}};
    float row[] = {1, 2};
    const std::vector<eo::layer_token> tokens{{nullptr, 0, row}};
    eo::run_context context(block, 1, support::one_thread());
    block(1, tokens, context);
    // h = 1: h += 10 (h + 1) + 1 gives 22; h += 100 (h + 1) + 1 gives 2323.
    CHECK(row[0] == 2323.0f);
    block.update_kv_only(3, std::vector<eo::layer_token>{{nullptr, 0, row}, {nullptr, 1, row}}, context);
    CHECK(calls.back() == "keys and values at layer 3 from 2324");
    CHECK(row[0] == 2323.0f);
    CHECK(block.bytes() == 114);
    CHECK(block.update_kv_bytes() == 4);
}
