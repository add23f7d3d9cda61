// SPDX-License-Identifier: MIT
#include <earlyout/nn/kv_cache.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/random.hpp"

namespace eo = earlyout;

namespace {

using eo::kernels::key_block;

eo::model_shape shape_of(std::size_t layers, std::size_t kv_heads, std::size_t head_dim) {
    return {.layers = layers, .d_model = 12, .heads = 2 * kv_heads, .kv_heads = kv_heads, .head_dim = head_dim};
}

template <class Stored = eo::f32>
float key_at(const eo::kv_cache& cache, std::size_t layer, std::size_t head, std::size_t head_dim, std::size_t entry,
             std::size_t k) {
    const std::size_t at = (entry / key_block * head_dim + k) * key_block + entry % key_block;
    return Stored::decode(cache.keys<Stored>(layer, head)[at]);
}

/// Appends an entry whose keys and values are unique.
void append(eo::kv_cache& cache, std::size_t layer, std::size_t position, std::size_t d_kv, float mark) {
    std::vector<float> key(d_kv);
    std::vector<float> value(d_kv);
    for (std::size_t k = 0; k < d_kv; ++k) {
        key[k] = mark + static_cast<float>(k);
        value[k] = -mark - static_cast<float>(k);
    }
    cache.append(layer, position, key.data(), value.data());
}

std::vector<std::size_t> positions(const eo::kv_cache& cache, std::size_t layer) {
    std::vector<std::size_t> all;
    for (std::size_t entry = 0; entry < cache.length(layer); ++entry) all.push_back(cache.position(layer, entry));
    return all;
}

using list = std::vector<std::size_t>;

}  // namespace

TEST_CASE("a new cache is empty in every layer", "[nn][kv_cache]") {
    const eo::kv_cache cache(shape_of(3, 2, 5), 20);
    CHECK(cache.layers() == 3);
    CHECK(cache.capacity() == 20);
    for (std::size_t layer = 1; layer <= 3; ++layer) {
        CHECK(cache.length(layer) == 0);
        CHECK(cache.visible(layer, 100) == 0);
    }
}

TEST_CASE("keys and values are found where attention reads them", "[nn][kv_cache]") {
    const std::size_t kv_heads = GENERATE(1u, 3u);
    const std::size_t head_dim = GENERATE(1u, 7u, 16u, 20u);
    const std::size_t d_kv = kv_heads * head_dim;
    constexpr std::size_t capacity = 2 * key_block + 3;
    eo::kv_cache cache(shape_of(2, kv_heads, head_dim), capacity);
    support::random_source random(1);
    std::vector<std::vector<float>> keys, values;
    for (std::size_t p = 0; p < capacity; ++p) {  // to the last entry that fits
        keys.push_back(random.floats(d_kv));
        values.push_back(random.floats(d_kv));
        cache.append(1, p, keys.back().data(), values.back().data());
        append(cache, 2, p, d_kv, 1000.0f);  // another layer in between changes nothing
    }
    REQUIRE(cache.length(1) == capacity);
    std::size_t wrong = 0;
    for (std::size_t entry = 0; entry < capacity; ++entry) {
        for (std::size_t head = 0; head < kv_heads; ++head) {
            for (std::size_t k = 0; k < head_dim; ++k) {
                wrong += key_at(cache, 1, head, head_dim, entry, k) != keys[entry][head * head_dim + k];
                wrong += cache.values(1, head)[entry * cache.value_stride() + k] != values[entry][head * head_dim + k];
            }
        }
    }
    CHECK(wrong == 0);
}

TEST_CASE("values are padded with zeros to whole registers", "[nn][kv_cache]") {
    eo::kv_cache cache(shape_of(1, 2, 5), 4);
    append(cache, 1, 0, 10, 3.0f);
    CHECK(cache.value_stride() % key_block == 0);
    for (std::size_t head = 0; head < 2; ++head) {
        const float* padding = cache.values(1, head) + 5;
        CHECK(std::all_of(padding, padding + key_block - 5, [](float value) { return value == 0.0f; }));
    }
}

TEST_CASE("each layer has its own length and its own positions", "[nn][kv_cache]") {
    eo::kv_cache cache(shape_of(3, 1, 4), 8);
    // Tokens 1 and 4 exited after the first layer, token 2 after the second.
    for (std::size_t p = 0; p < 6; ++p) append(cache, 1, p, 4, static_cast<float>(p));
    for (const std::size_t p : {0u, 2u, 3u, 5u}) append(cache, 2, p, 4, static_cast<float>(10 * p));
    for (const std::size_t p : {0u, 3u, 5u}) append(cache, 3, p, 4, static_cast<float>(100 * p));

    CHECK(positions(cache, 1) == list{0, 1, 2, 3, 4, 5});
    CHECK(positions(cache, 2) == list{0, 2, 3, 5});
    CHECK(positions(cache, 3) == list{0, 3, 5});
    CHECK(key_at(cache, 2, 0, 4, 1, 0) == 20.0f);  // an entry's index is not its position
    CHECK(cache.values(3, 0)[2 * cache.value_stride()] == -500.0f);

    SECTION("a query sees the entries at its position or before") {
        CHECK(cache.visible(1, 3) == 4);
        CHECK(cache.visible(2, 0) == 1);
        CHECK(cache.visible(2, 1) == 1);
        CHECK(cache.visible(2, 2) == 2);
        CHECK(cache.visible(2, 4) == 3);
        CHECK(cache.visible(3, 2) == 1);
        CHECK(cache.visible(3, 5) == 3);
        CHECK(cache.visible(3, 1000) == 3);
    }
    SECTION("entries are removed by position, in every layer") {
        cache.truncate(3);
        CHECK(positions(cache, 1) == list{0, 1, 2});
        CHECK(positions(cache, 2) == list{0, 2});
        CHECK(positions(cache, 3) == list{0});
        cache.truncate(1);
        CHECK(positions(cache, 2) == list{0});
        cache.truncate(0);
        CHECK(positions(cache, 1).empty());
        CHECK(positions(cache, 3).empty());
    }
    SECTION("nothing is removed from beyond the end") {
        cache.truncate(6);
        CHECK(positions(cache, 1).size() == 6);
        CHECK(positions(cache, 3).size() == 3);
    }
}

TEST_CASE("a removed entry's place is reused by the next", "[nn][kv_cache]") {
    constexpr std::size_t d_kv = 6;
    constexpr std::size_t capacity = key_block + 2;
    eo::kv_cache used(shape_of(1, 2, 3), capacity);
    eo::kv_cache fresh(shape_of(1, 2, 3), capacity);
    support::random_source random(2);
    list held;
    std::size_t next = 0;
    // Random appends and removals; the cache never grows past its capacity.
    for (int step = 0; step < 500; ++step) {
        if (held.size() == capacity || random.index(4) == 0) {
            const std::size_t from = random.index(next + 1);
            used.truncate(from);
            std::erase_if(held, [&](std::size_t p) { return p >= from; });
            next = held.empty() ? 0 : held.back() + 1;
        } else {
            next += random.index(3);
            append(used, 1, next, d_kv, static_cast<float>(next));
            held.push_back(next++);
        }
        REQUIRE(positions(used, 1) == held);
    }
    for (const std::size_t p : held) append(fresh, 1, p, d_kv, static_cast<float>(p));
    std::size_t different = 0;
    for (std::size_t entry = 0; entry < held.size(); ++entry) {
        for (std::size_t head = 0; head < 2; ++head) {
            for (std::size_t k = 0; k < 3; ++k) {
                different += key_at(used, 1, head, 3, entry, k) != key_at(fresh, 1, head, 3, entry, k);
                const std::size_t at = entry * used.value_stride() + k;
                different += used.values(1, head)[at] != fresh.values(1, head)[at];
            }
        }
    }
    CHECK(different == 0);
}

TEMPLATE_TEST_CASE("keys and values may be stored in 16 bits", "[nn][kv_cache]", eo::f16, eo::bf16) {
    constexpr std::size_t heads = 2, head_dim = 21, d_kv = heads * head_dim, capacity = 20;
    eo::kv_cache cache(shape_of(1, heads, head_dim), capacity, TestType{});
    support::random_source random(3);
    for (std::size_t p = 0; p < capacity; ++p) {
        auto key = random.floats(d_kv), value = random.floats(d_kv);
        key[5] = 1e6f;  // beyond binary16
        cache.append(1, p, key.data(), value.data());
        for (std::size_t head = 0; head < heads; ++head) {
            for (std::size_t k = 0; k < head_dim; ++k) {
                const auto rounded = [](float x) { return TestType::decode(TestType::encode(x)); };
                REQUIRE(key_at<TestType>(cache, 1, head, head_dim, p, k) == rounded(key[head * head_dim + k]));
                const auto* values = cache.values<TestType>(1, head) + p * cache.value_stride();
                REQUIRE(TestType::decode(values[k]) == rounded(value[head * head_dim + k]));
            }
        }
    }
    CHECK(cache.format() == TestType{});
    CHECK(cache.entry_bytes() == heads * (21 + 32) * 2);
}

TEST_CASE("the cache reports the bytes that a query reads of an entry", "[nn][kv_cache]") {
    CHECK(eo::kv_cache(shape_of(1, 2, 16), 1).entry_bytes() == (32 + 32) * sizeof(float));
    CHECK(eo::kv_cache(shape_of(1, 2, 5), 1).entry_bytes() == (10 + 2 * key_block) * sizeof(float));
}

TEST_CASE("a removed entry's place is reused by the next in int8", "[nn][kv_cache][int8]") {
    constexpr std::size_t heads = 2, head_dim = 5, d_kv = heads * head_dim, capacity = 40;
    eo::kv_cache used(shape_of(1, heads, head_dim), capacity, eo::int8{});
    eo::kv_cache fresh(shape_of(1, heads, head_dim), capacity, eo::int8{});
    support::random_source random(4);
    const auto entry = [&](std::size_t p) { return support::random_source(static_cast<unsigned>(p)).floats(2 * d_kv); };
    for (std::size_t p = 0; p < capacity; ++p)
        used.append(1, p, random.floats(d_kv).data(), random.floats(d_kv).data());
    used.truncate(0);
    for (std::size_t p = 0; p < capacity; ++p) {
        for (eo::kv_cache* cache : {&used, &fresh}) cache->append(1, p, entry(p).data(), entry(p).data() + d_kv);
    }
    using layout = eo::kernels::kv_layout<eo::int8>;
    for (std::size_t head = 0; head < heads; ++head) {
        const std::size_t keys = layout::key_size(head_dim, 32), values = layout::value_size(head_dim, 32);
        CHECK(std::equal(used.keys<eo::int8>(1, head), used.keys<eo::int8>(1, head) + keys,
                         fresh.keys<eo::int8>(1, head)));
        CHECK(std::equal(used.values<eo::int8>(1, head), used.values<eo::int8>(1, head) + values,
                         fresh.values<eo::int8>(1, head)));
    }
    CHECK(used.entry_bytes() == heads * (6 + 16 + 8));
}

TEMPLATE_TEST_CASE("a cache attends in the format that it stores", "[nn][kv_cache]", eo::f32, eo::f16, eo::bf16,
                   eo::int8) {
    constexpr std::size_t heads = 2, head_dim = 20, entries = 37;
    eo::kv_cache cache(shape_of(1, heads, head_dim), entries, TestType{});
    support::random_source random(5);
    for (std::size_t p = 0; p < entries; ++p) {
        cache.append(1, p, random.floats(heads * head_dim).data(), random.floats(heads * head_dim).data());
    }
    const std::vector<float> query = random.floats(head_dim);
    std::vector<float> expected(head_dim), found(head_dim), of_static_size(head_dim);
    std::vector<float> scratch(eo::kernels::attention_scratch<>(head_dim));
    const auto to = [&](std::vector<float>& out) {
        return eo::kernels::head_query{query.data(), out.data(), 2, entries};
    };
    for (std::size_t head = 0; head < heads; ++head) {
        const eo::kernels::head_query queries[] = {to(expected), to(found), to(of_static_size)};
        const std::span<const eo::kernels::head_query> each(queries);
        const eo::kernels::kv_arrays<TestType> memory(cache.keys<TestType>(1, head), cache.values<TestType>(1, head),
                                                      head_dim);
        eo::kernels::attend(TestType{}, each.subspan(0, 1), memory, eo::extent<>(head_dim), 0.25f, scratch.data());
        cache.attend(1, head, each.subspan(1, 1), eo::extent<>(head_dim), 0.25f, scratch.data());
        cache.attend(1, head, each.subspan(2, 1), eo::extent<head_dim>(), 0.25f, scratch.data());
        CHECK(found == expected);
        CHECK(of_static_size == expected);
    }
}

TEST_CASE("a window hides entries too far back", "[nn][kv_cache]") {
    eo::kv_cache cache({.layers = 1, .d_model = 2, .heads = 1, .kv_heads = 1, .head_dim = 2}, 8);
    const float zeros[2] = {};
    for (const std::size_t position : {0u, 1u, 5u, 6u, 9u}) cache.append(1, position, zeros, zeros);
    CHECK(cache.hidden(1, 9, 0) == 0);   // no window
    CHECK(cache.hidden(1, 9, 1) == 4);   // itself alone
    CHECK(cache.hidden(1, 9, 4) == 3);   // 6 .. 9
    CHECK(cache.hidden(1, 9, 5) == 2);   // 5 .. 9
    CHECK(cache.hidden(1, 9, 9) == 1);   // 1 .. 9
    CHECK(cache.hidden(1, 9, 10) == 0);  // 0 .. 9
    CHECK(cache.hidden(1, 9, 100) == 0);
}

namespace {

/// Returns the key of one head's entry, wherever its page is.
std::vector<float> key_of(const eo::kv_cache& cache, std::size_t layer, std::size_t head_dim, std::size_t entry) {
    constexpr std::size_t length = eo::kv_pool::max_page_entries;
    std::vector<float> key;
    for (std::size_t k = 0; k < head_dim; ++k) {
        key.push_back(cache.keys(layer, 0, entry / length)[(entry % length / 16 * head_dim + k) * 16 + entry % 16]);
    }
    return key;
}

}  // namespace

TEST_CASE("caches share the pages of a common prefix until one of them writes there", "[nn][kv_cache]") {
    constexpr std::size_t head_dim = 3, page = eo::kv_pool::max_page_entries, capacity = 3 * page;
    const eo::model_shape shape = shape_of(2, 1, head_dim);
    const auto pool = std::make_shared<eo::kv_pool>(shape, eo::kv_format{}, 12);
    const auto fill = [&](eo::kv_cache& cache, std::size_t first, std::size_t last, float more) {
        for (std::size_t layer = 1; layer <= 2; ++layer) {
            for (std::size_t p = first; p < last; ++p) append(cache, layer, p, head_dim, static_cast<float>(p) + more);
        }
    };
    const auto holds = [&](const eo::kv_cache& cache, std::size_t entry, float first) {
        return key_of(cache, 2, head_dim, entry) == key_of(cache, 1, head_dim, entry) &&
               key_of(cache, 1, head_dim, entry).front() == first;
    };
    eo::kv_cache one(shape, capacity, pool);
    fill(one, 0, page + 10, 0.0f);
    CHECK(pool->available() == 12 - 4);
    {
        eo::kv_cache two(shape, capacity, pool);
        two.share_prefix(one, page + 5);
        CHECK(pool->available() == 12 - 4);
        CHECK(two.length(1) == page + 5);
        CHECK(two.pages_to_grow(page + 6) == 2);  // a copy of the last page in each layer
        CHECK(two.pages_to_grow(3 * page) == 4);
        fill(two, page + 5, page + 8, 5000.0f);
        CHECK(pool->available() == 12 - 6);
        CHECK(two.pages_to_grow(page + 9) == 0);
        for (const std::size_t p : {std::size_t{0}, page - 1, page, page + 4}) {
            CHECK(holds(two, p, static_cast<float>(p)));
        }
        CHECK(holds(two, page + 5, static_cast<float>(page) + 5005.0f));
        CHECK(holds(one, page + 5, static_cast<float>(page) + 5.0f));
        // The other's last page is its own again: written in place.
        fill(one, page + 10, page + 11, 0.0f);
        CHECK(pool->available() == 12 - 6);
        CHECK(holds(one, page + 10, static_cast<float>(page) + 10.0f));
        one.truncate(0);
        CHECK(pool->available() == 12 - 4);  // pages that the other holds are kept
        CHECK(holds(two, 7, 7.0f));
        eo::kv_cache moved = std::move(two);
        CHECK(holds(moved, 7, 7.0f));
        moved = eo::kv_cache(shape, capacity, pool);
        CHECK(pool->available() == 12);
        one.share_prefix(moved, 3);
        CHECK(one.length(2) == 0);
    }
    CHECK(pool->available() == 12);
}
