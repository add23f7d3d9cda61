// SPDX-License-Identifier: MIT
#include <earlyout/generate/drafts/suffix_store.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "support/catch.hpp"
#include "support/counted_allocations.hpp"
#include "support/errors.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
using support::error_of;
using support::thrown;

namespace {

const eo::suffix_store_options small_store{
    .max_tokens = 100, .max_sequences = 4, .vocab = 50, .fingerprint = "0123456789abcdef"};

eo::draft draft_from(const eo::suffix_store& store, const std::vector<eo::token_id>& ids) {
    eo::suffix_store_cursor cursor;
    eo::draft made;
    store.propose(ids, cursor, {.factor = 2.0f, .unseen = 0.0f}, made);
    return made;
}
std::vector<eo::token_id> drafted_from(const eo::suffix_store& store, const std::vector<eo::token_id>& ids) {
    const eo::draft made = draft_from(store, ids);
    return {made.ids().begin(), made.ids().end()};
}
std::string saved(const eo::suffix_store& store) {
    std::ostringstream out;
    store.save(out, "s.bin");
    return std::move(out).str();
}
void load_into(eo::suffix_store& store, const std::string& bytes) {
    std::istringstream in(bytes);
    store.load(in, "s.bin");
}
/// A file of small_store with another number at a place, little-endian.
std::string with_number(std::string bytes, std::size_t at, std::uint64_t value, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) bytes[at + i] = static_cast<char>(value >> (8 * i) & 0xff);
    return bytes;
}

}  // namespace

TEST_CASE("a suffix store drafts what followed in other sequences", "[generate][suffix_store]") {
    eo::suffix_store store(small_store);
    CHECK(drafted_from(store, {1, 2}).empty());
    store.add(std::vector<eo::token_id>{1, 2, 3, 4, 5});
    store.add(std::vector<eo::token_id>{});
    store.add(std::vector<eo::token_id>{9, 2, 7});
    CHECK(store.sequences() == 2);
    CHECK(store.size() == 8);
    CHECK(drafted_from(store, {0, 1, 2}) == std::vector<eo::token_id>{3, 4, 5});
    CHECK(drafted_from(store, {0, 9, 2}) == std::vector<eo::token_id>{7});
    CHECK(drafted_from(store, {5}).empty());
    // By 2 alone: 3 and 7 once each, of which 7 is newer.
    CHECK(drafted_from(store, {2})[0] == 7);
    CHECK(draft_from(store, {2}).probabilities()[0] == 0.5f);
    eo::suffix_store_cursor cursor;
    eo::draft made;
    store.propose(std::vector<eo::token_id>{1, 2}, cursor, {}, made, 3.0f);
    CHECK(made.empty());  // not more than three tokens are expected
    CHECK(error_of([&] {
              store.add(std::vector<eo::token_id>{1, 50});
          }) == thrown(eo::errc::out_of_range, {"suffix_store", "0 .. 49", "50"}));
    CHECK(error_of([&] { store.add(std::vector<eo::token_id>{-1}); }) == thrown(eo::errc::out_of_range, {"-1"}));
    CHECK(store.size() == 8);
    CHECK(error_of([] { eo::suffix_store({.fingerprint = std::string(257, 'a')}); }) ==
          thrown(eo::errc::invalid_argument, {"fingerprint", "256", "257"}));
}

TEST_CASE("a suffix store's oldest sequences make room", "[generate][suffix_store]") {
    eo::suffix_store store(small_store);
    for (eo::token_id id = 0; id < 6; ++id)
        store.add(std::vector<eo::token_id>{id, 40, static_cast<eo::token_id>(id + 10)});
    CHECK(store.sequences() == 4);
    CHECK(drafted_from(store, {1}).empty());
    CHECK(drafted_from(store, {2, 40}) == std::vector<eo::token_id>{12});
    std::vector<eo::token_id> longer(150, 3);
    longer.back() = 4;
    longer[0] = 5;
    store.add(longer);
    CHECK(store.sequences() == 1);
    CHECK(store.size() == 100);
    CHECK(drafted_from(store, {5}).empty());
    store.add(std::vector<eo::token_id>{1});
    CHECK(store.sequences() == 1);
    support::random_source random(1);
    const auto more = random.tokens(60, 50);
    CHECK(support::allocations_of([&] { store.add(more); }) == 0);
}

TEST_CASE("a cursor gives the drafts that any other does", "[generate][suffix_store]") {
    support::random_source random(8);
    eo::suffix_store store({.max_tokens = 300, .max_sequences = 20, .max_depth = 6, .vocab = 3}), other(small_store);
    other.add(random.tokens(90, 50));
    eo::suffix_store_cursor cursor;
    std::vector<eo::token_id> ids;
    for (int i = 0; i < 600; ++i) {
        if (i % 23 == 0) store.add(random.tokens(1 + random.index(40), 3));
        const auto more = random.tokens(random.index(9), 3);
        ids.insert(ids.end(), more.begin(), more.end());
        if (i % 5 == 0) {
            const std::size_t left = random.index(ids.size() + 1);
            ids.resize(left);
            cursor.rollback(left);
        }
        eo::draft made;
        if (i % 31 == 0) other.propose(ids, cursor, {}, made);
        made.clear();
        store.propose(ids, cursor, {.factor = 2.0f, .unseen = 0.0f}, made);
        const eo::draft expected = draft_from(store, ids);
        CHECK(std::ranges::equal(made.ids(), expected.ids()));
        CHECK(std::ranges::equal(made.probabilities(), expected.probabilities()));
        CHECK(made.match() == expected.match());
    }
}

TEST_CASE("a suffix store is what it was after saving and loading", "[generate][suffix_store]") {
    support::random_source random(2);
    eo::suffix_store store(small_store);
    for (int i = 0; i < 7; ++i) store.add(random.tokens(5 + random.index(30), 4));
    const std::string bytes = saved(store);
    eo::suffix_store loaded(small_store);
    load_into(loaded, bytes);
    CHECK(loaded.size() == store.size());
    CHECK(loaded.sequences() == store.sequences());
    CHECK(saved(loaded) == bytes);
    for (int i = 0; i < 50; ++i) {
        const auto ids = random.tokens(6, 4);
        CHECK(drafted_from(loaded, ids) == drafted_from(store, ids));
    }
    // A smaller one keeps the last.
    auto less = small_store;
    less.max_tokens = 20;
    eo::suffix_store smaller(less);
    load_into(smaller, bytes);
    CHECK(smaller.size() <= 20);
    CHECK(smaller.sequences() >= 1);
    eo::suffix_store empty(small_store);
    load_into(empty, saved(eo::suffix_store(small_store)));
    CHECK(empty.size() == 0);
}

TEST_CASE("a suffix store refuses files that are not its own", "[generate][suffix_store]") {
    eo::suffix_store store(small_store);
    store.add(std::vector<eo::token_id>{1, 2, 3});
    const std::string bytes = saved(store);  // 48 bytes, then the sequence
    const auto refused = [&](const std::string& changed) { return error_of([&] { load_into(store, changed); }); };
    CHECK(refused("") == thrown(eo::errc::malformed_file, {"s.bin: magic", "expected 8 bytes, found 0"}));
    CHECK(refused("a different file") == thrown(eo::errc::malformed_file, {"magic", "EOSUFFIX", "a differ"}));
    CHECK(refused(with_number(bytes, 8, 2, 4)) == thrown(eo::errc::unsupported, {"version", "expected 1", "found 2"}));
    CHECK(refused(with_number(bytes, 12, 51, 8)) == thrown(eo::errc::mismatch, {"vocabulary", "50", "51"}));
    CHECK(refused(with_number(bytes, 20, 0xffffffff, 4)) == thrown(eo::errc::malformed_file, {"fingerprint", "256"}));
    CHECK(refused(with_number(bytes, 24, 'x', 1)) ==
          thrown(eo::errc::mismatch, {"fingerprint", "0123456789abcdef", "x123456789abcdef"}));
    CHECK(refused(with_number(bytes, 40, ~0ull, 8)) == thrown(eo::errc::malformed_file, {}));
    CHECK(refused(with_number(bytes, 48, 0, 4)) == thrown(eo::errc::malformed_file, {"size of a sequence"}));
    CHECK(refused(with_number(bytes, 48, 0xffffffff, 4)) == thrown(eo::errc::malformed_file, {}));
    CHECK(refused(with_number(bytes, 52, 50, 4)) == thrown(eo::errc::malformed_file, {"token id", "less than 50"}));
    CHECK(refused(with_number(bytes, 52, 5, 4)) == thrown(eo::errc::malformed_file, {"checksum", "damaged"}));
    CHECK(refused(bytes + "x") == thrown(eo::errc::malformed_file, {"end", "more bytes"}));
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        CHECK(refused(bytes.substr(0, size)) == thrown(eo::errc::malformed_file, {"truncated or damaged"}));
    }
    support::random_source random(4);
    for (int i = 0; i < 2000; ++i) {
        std::string changed = bytes;
        for (std::size_t n = 1 + random.index(3); n > 0; --n) {
            changed[random.index(changed.size())] ^= static_cast<char>(1u << random.index(8));
        }
        if (changed != bytes) CHECK(refused(changed).code != "none");
    }
    CHECK(store.size() == 3);  // all or nothing
    std::ostringstream closed;
    closed.setstate(std::ios::badbit);
    CHECK(error_of([&] { store.save(closed, "s.bin"); }) == thrown(eo::errc::io, {"s.bin", "written"}));
}

TEST_CASE("threads add to a suffix store and draft from it at once", "[generate][suffix_store]") {
    eo::suffix_store store({.max_tokens = 2000, .max_sequences = 16, .vocab = 8});
    std::atomic<int> adding{2};
    const auto add = [&](std::uint32_t seed) {
        support::random_source random(seed);
        for (int i = 0; i < 60; ++i) store.add(random.tokens(200, 8));
        --adding;
    };
    std::atomic<std::size_t> wrong{0};
    const auto query = [&](std::uint32_t seed) {
        support::random_source random(seed);
        eo::suffix_store_cursor cursor;
        std::vector<eo::token_id> ids;
        while (adding > 0) {
            ids.push_back(static_cast<eo::token_id>(random.index(8)));
            eo::draft made;
            store.propose(ids, cursor, {}, made);
            if (!std::ranges::all_of(made.ids(), [](auto id) { return id >= 0 && id < 8; })) ++wrong;
            if (ids.size() % 64 == 0) saved(store);
        }
    };
    std::vector<std::thread> threads;
    for (std::uint32_t seed = 0; seed < 2; ++seed) {
        threads.emplace_back(add, seed);
        threads.emplace_back(query, seed + 10);
    }
    for (std::thread& one : threads) one.join();
    CHECK(wrong == 0);
    CHECK(store.size() == 2000);
}
