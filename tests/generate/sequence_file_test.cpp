// SPDX-License-Identifier: MIT
#include <earlyout/generate/pending.hpp>
#include <earlyout/generate/sequence_file.hpp>
#include <earlyout/kernels/formats.hpp>

#include <memory>
#include <random>
#include <sstream>
#include <string>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

using namespace support;

namespace {

const eo::model_shape& file_shape() { return small_network().shape(); }

std::shared_ptr<eo::kv_pool> pool_of(eo::kv_format format = {}, std::size_t pages = 24) {
    return std::make_shared<eo::kv_pool>(file_shape(), format, pages);
}

/// A sequence of which some tokens are pending, one was omitted from the last layers, and what it was saved as.
struct saved {
    explicit saved(eo::kv_format format = {}) : pool(pool_of(format)), original(file_shape(), 60, pool) {
        std::mt19937 engine(1);
        eo::run_context context(small_network(), 64, one_thread());
        for (const eo::token_id id : random_prompt(engine, 40)) original.push(small_network(), id);
        REQUIRE(eo::run_pending(small_network(), 1, 4, original, context));
        original.advance(5, 1);
        original.advance(6, 1);
        REQUIRE(eo::run_pending(small_network(), 5, 6, original, context));
        for (const eo::token_id id : random_prompt(engine, 7)) original.push(small_network(), id);
        REQUIRE(eo::run_pending(small_network(), 1, 2, original, context));
        const eo::sequence_snapshot taken(file_shape(), original, original.size(), pool);
        std::ostringstream out;
        eo::sequence_file::save(taken, file_shape(), "a model", out, "file");
        text = out.str();
    }

    std::shared_ptr<eo::kv_pool> pool;
    eo::sequence original;
    std::string text;
};

eo::sequence_snapshot load(const std::string& text, std::shared_ptr<eo::kv_pool> pool,
                           const std::string& fingerprint = "a model") {
    std::istringstream in(text);
    return eo::sequence_file::load(file_shape(), fingerprint, std::move(pool), in, "file");
}

std::vector<float> next_state(eo::sequence& of) {
    eo::run_context context(small_network(), 64, one_thread());
    of.push(small_network(), 11);
    of.need_from(of.size() - 1);
    REQUIRE(eo::run_pending(small_network(), 1, 6, of, context));
    const auto row = of.hidden_state(of.size() - 1);
    return {row.begin(), row.end()};
}

}  // namespace

TEST_CASE("a saved sequence goes on as it would have", "[generate][sequence_file]") {
    for (const eo::kv_format format : {eo::kv_format(eo::f32{}), eo::kv_format(eo::f16{}), eo::kv_format(eo::int8{})}) {
        saved s(format);
        const auto pool = pool_of(format);
        const eo::sequence_snapshot loaded = load(s.text, pool);
        CHECK(loaded.size() == 47);
        eo::sequence restored(file_shape(), 60, pool);
        restored.restore(loaded, loaded.size());
        CHECK(std::ranges::equal(restored.ids(), s.original.ids()));
        CHECK(restored.frontier(2) == 47);
        CHECK(restored.frontier(3) == 40);
        CHECK(restored.cache_length(6) == s.original.cache_length(6));
        CHECK(same_bits(next_state(restored), next_state(s.original)));
    }
}

TEST_CASE("a damaged file of a sequence is refused, wherever the damage is", "[generate][sequence_file]") {
    const saved s;
    std::mt19937 engine(2);
    const auto refused = [&](const std::string& text) {
        const auto pool = pool_of();
        const auto found = error_of([&] { (void)load(text, pool); });
        CHECK(pool->available() == pool->pages());
        return found.code != "none" && found.code != "other" && found.message.starts_with("file: ");
    };
    for (std::size_t size = 0; size < s.text.size(); size += 1 + engine() % 997) CHECK(refused(s.text.substr(0, size)));
    for (int i = 0; i < 200; ++i) {
        std::string damaged = s.text;
        damaged[i < 150 ? static_cast<std::size_t>(i) : engine() % damaged.size()] ^=
            static_cast<char>(1 + engine() % 255);
        CHECK(refused(damaged));
    }
    CHECK(refused(s.text + "x"));
}

TEST_CASE("a sequence of another model, format or too many tokens is refused by name", "[generate][sequence_file]") {
    const saved s;
    CHECK(error_of([&] { (void)load(s.text, pool_of(), "other"); }) ==
          thrown(eo::errc::mismatch, {"file: fingerprint", "\"other\"", "\"a model\""}));
    CHECK(error_of([&] { (void)load(s.text, pool_of(eo::bf16{})); }) ==
          thrown(eo::errc::mismatch, {"format of keys and values", "bf16", "f32"}));
    CHECK(error_of([&] { (void)load(s.text, pool_of({}, 5)); }) ==
          thrown(eo::errc::out_of_memory, {"pages", "found 47"}));
    std::ostringstream out;
    const eo::sequence_snapshot taken(file_shape(), s.original, 3, s.pool);
    CHECK(error_of([&] { eo::sequence_file::save(taken, file_shape(), std::string(257, 'x'), out, "file"); }) ==
          thrown(eo::errc::invalid_argument, {"fingerprint", "at most 256", "found 257"}));
    out.setstate(std::ios::badbit);
    CHECK(error_of([&] { eo::sequence_file::save(taken, file_shape(), "x", out, "file"); }).code == "io");
}
