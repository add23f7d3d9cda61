// SPDX-License-Identifier: MIT
// Drafters that look up earlier tokens, on this project's own sources cut into tokens of up to four letters (about a
// million): time of appending a token, of popping it, of a proposal. `replay` decodes text that the drafter has not
// seen, a file at a time, as a model would that produced it: `tokens_per_block` are the tokens of a verified block,
// `accepted` the share of drafted tokens that were right.
#include <earlyout/generate/drafts/hashed_drafts.hpp>
#include <earlyout/generate/drafts/recycled_drafts.hpp>
#include <earlyout/generate/drafts/suffix_drafts.hpp>
#include <earlyout/generate/drafts/suffix_store.hpp>
#include <earlyout/generate/drafts/suffix_tree.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace eo = earlyout;

namespace {

using ids = std::vector<eo::token_id>;

struct corpus {
    std::vector<ids> files;
    ids all;
    std::size_t vocab = 0;
};

/// Letters and digits up to four at a time, spaces together, anything else alone.
std::size_t token_size(std::string_view text) {
    const auto kind = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) ? 1 : c == ' ' ? 2 : 0; };
    const int first = kind(text[0]);
    std::size_t size = 1;
    while (first != 0 && size < text.size() && kind(text[size]) == first && (first == 2 || size < 4)) ++size;
    return size;
}

const corpus& sources() {
    static const corpus made = [] {
        const std::filesystem::path project = std::filesystem::path(EARLYOUT_INCLUDE_DIR).parent_path();
        std::vector<std::filesystem::path> paths;
        for (const char* folder : {"include", "tests", "benchmarks", "examples"}) {
            for (const auto& entry : std::filesystem::recursive_directory_iterator(project / folder)) {
                const std::string ending = entry.path().extension().string();
                if (ending == ".hpp" || ending == ".cpp" || ending == ".py" || ending == ".md") {
                    paths.push_back(entry.path());
                }
            }
        }
        std::ranges::sort(paths);
        corpus all;
        std::unordered_map<std::string, eo::token_id> vocabulary;
        for (const auto& path : paths) {
            std::ifstream in(path, std::ios::binary);
            const std::string text{std::istreambuf_iterator<char>(in), {}};
            ids& file = all.files.emplace_back();
            for (std::string_view left = text; !left.empty();) {
                const std::size_t size = token_size(left);
                const auto id = static_cast<eo::token_id>(vocabulary.size());
                file.push_back(vocabulary.try_emplace(std::string(left.substr(0, size)), id).first->second);
                left.remove_prefix(size);
            }
            all.all.insert(all.all.end(), file.begin(), file.end());
        }
        all.vocab = vocabulary.size();
        return all;
    }();
    return made;
}

/// The first tokens of the sources.
ids text_of(const benchmark::State& state) {
    const auto size = std::min(static_cast<std::size_t>(state.range(0)), sources().all.size() - 10'000);
    return {sources().all.begin(), sources().all.begin() + static_cast<std::ptrdiff_t>(size)};
}

void append_to(benchmark::State& state, const ids& text) {
    for (auto _ : state) {
        state.PauseTiming();
        auto tree = std::make_unique<eo::suffix_tree>(text.size());
        state.ResumeTiming();
        for (const eo::token_id id : text) tree->append(id);
        benchmark::DoNotOptimize(tree->size());
        state.PauseTiming();
        state.counters["nodes_per_token"] =
            static_cast<double>(tree->nodes_in_use()) / static_cast<double>(text.size());
        state.counters["bytes_per_token"] =
            static_cast<double>(eo::suffix_tree::bytes(text.size())) / static_cast<double>(text.size());
        tree.reset();
        state.ResumeTiming();
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
void suffix_tree_append(benchmark::State& state) { append_to(state, text_of(state)); }
void suffix_tree_append_repeated(benchmark::State& state) {
    append_to(state, ids(static_cast<std::size_t>(state.range(0)), 7));
}

/// Tokens appended to a large tree, with a proposal after each or without, and popped again.
template <bool Proposes>
void suffix_tree_follow(benchmark::State& state) {
    const ids text = text_of(state);
    constexpr std::size_t more = 8000;
    eo::suffix_tree tree(text.size() + more);
    for (const eo::token_id id : text) tree.append(id);
    const std::span<const eo::token_id> next = std::span(sources().all).subspan(text.size(), more);
    eo::draft made;
    for (auto _ : state) {
        for (const eo::token_id id : next) {
            tree.append(id);
            if (Proposes) tree.propose(tree.matches(), {}, made);
            benchmark::DoNotOptimize(made);
        }
        for (std::size_t i = 0; i < more; ++i) tree.pop_back();
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(more));
}

/// Proposals where 63 last tokens occurred before: a text that is repeated, of `range` tokens or of one.
void suffix_tree_propose_repeated(benchmark::State& state) {
    eo::suffix_tree tree(3000);
    for (std::size_t i = 0; i < 3000; ++i) tree.append(sources().all[i % static_cast<std::size_t>(state.range(0))]);
    eo::draft made;
    for (auto _ : state) {
        tree.propose(tree.matches(), {}, made);
        benchmark::DoNotOptimize(made);
    }
}

void suffix_store_propose(benchmark::State& state) {
    const ids text = text_of(state);
    eo::suffix_store store({.max_tokens = text.size()});
    store.add(text);
    constexpr std::size_t more = 8000;
    const std::span<const eo::token_id> next = std::span(sources().all).subspan(text.size(), more);
    for (auto _ : state) {
        eo::suffix_store_cursor cursor;
        for (std::size_t i = 1; i <= more; ++i) {
            eo::draft made;
            store.propose(next.first(i), cursor, {}, made);
            benchmark::DoNotOptimize(made);
        }
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(more));
}

void suffix_store_add(benchmark::State& state) {
    eo::suffix_store store({.max_tokens = static_cast<std::size_t>(state.range(0))});
    std::size_t tokens = 0;
    for (auto _ : state) {
        for (const ids& file : sources().files) {
            store.add(file);
            tokens += file.size();
        }
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(tokens));
}

/// Decodes files with at most `limit` drafted tokens a block.
template <class Drafter>
void replay(benchmark::State& state, const Drafter& d, float min_expected = 0.0f) {
    const auto limit = static_cast<std::size_t>(state.range(0));
    std::size_t blocks = 0, tokens = 0, drafted = 0, right = 0;
    for (auto _ : state) {
        for (std::size_t f = 0; f < sources().files.size(); f += 7) {
            const ids& file = sources().files[f];
            auto drafts = eo::start_drafts(d, {.tokens = file.size(), .vocab = sources().vocab});
            for (std::size_t at = 1, known = 0; at < file.size();) {
                const std::span<const eo::token_id> all(file);
                d.append(all.subspan(known, at - known), drafts);
                known = at;
                eo::draft made(limit);
                d.propose(all.first(at), drafts, made);
                if (made.expected_accepted() < min_expected) made.clear();
                std::size_t accepted = 0;
                while (accepted < made.size() && at + accepted < file.size() &&
                       made.ids()[accepted] == file[at + accepted]) {
                    ++accepted;
                }
                drafted += made.size();
                right += accepted;
                ++blocks;
                at += accepted + 1;
                tokens += accepted + 1;
            }
        }
    }
    state.counters["tokens_per_block"] = static_cast<double>(tokens) / static_cast<double>(blocks);
    state.counters["drafted_per_block"] = static_cast<double>(drafted) / static_cast<double>(blocks);
    state.counters["accepted"] = static_cast<double>(right) / static_cast<double>(std::max<std::size_t>(drafted, 1));
    state.SetItemsProcessed(static_cast<std::int64_t>(tokens));
}

void replay_suffix(benchmark::State& state) {
    replay(state, eo::suffix_drafts{.options = {.factor = static_cast<float>(state.range(1))}});
}
/// With a store of the files that are not decoded.
void replay_suffix_and_store(benchmark::State& state) {
    static const auto store = [] {
        auto made = std::make_shared<eo::suffix_store>(
            eo::suffix_store_options{.max_tokens = sources().all.size(), .vocab = sources().vocab});
        for (std::size_t f = 0; f < sources().files.size(); ++f) {
            if (f % 7 != 0) made->add(sources().files[f]);
        }
        return made;
    }();
    replay(state, eo::suffix_drafts{.options = {.factor = static_cast<float>(state.range(1))}, .store = store});
}
void replay_hashed(benchmark::State& state) {
    replay(state, eo::hashed_drafts{.n = static_cast<std::size_t>(state.range(1))});
}
void replay_recycled(benchmark::State& state) {
    replay(state, eo::recycled_drafts{.max_tokens = static_cast<std::size_t>(state.range(0))});
}

BENCHMARK(suffix_tree_append)->Arg(10'000)->Arg(100'000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);
BENCHMARK(suffix_tree_append_repeated)->Arg(10'000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);
BENCHMARK(suffix_tree_follow<false>)->Name("suffix_tree_append_pop")->Arg(10'000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK(suffix_tree_follow<true>)->Name("suffix_tree_append_propose_pop")->Arg(10'000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK(suffix_tree_propose_repeated)->Arg(1)->Arg(100)->Arg(1600);
BENCHMARK(suffix_store_propose)->Arg(10'000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK(suffix_store_add)->Arg(100'000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);
BENCHMARK(replay_suffix)->ArgsProduct({{4, 7, 15}, {1, 4}})->Unit(benchmark::kMillisecond);
BENCHMARK(replay_suffix_and_store)->ArgsProduct({{7}, {1, 4}})->Unit(benchmark::kMillisecond);
BENCHMARK(replay_hashed)->ArgsProduct({{7}, {2, 3, 4, 6}})->Unit(benchmark::kMillisecond);
BENCHMARK(replay_recycled)->Arg(1)->Arg(2)->Arg(4)->Unit(benchmark::kMillisecond);

}  // namespace
