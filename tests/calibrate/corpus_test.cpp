// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/corpus.hpp>

#include <earlyout/io/load.hpp>
#include <earlyout/models/gpt2.hpp>

#include <algorithm>
#include <set>
#include <string>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;

namespace {

const auto& example_model() {
    static const auto made = eo::io::load<eo::gpt2<>>(EARLYOUT_EXAMPLE_MODEL);
    return made;
}

void write_texts(const support::temporary_folder& folder) {
    for (int i = 0; i < 8; ++i) {
        std::string text;
        for (int line = 0; line < 40; ++line) text += "value_" + std::to_string(i * 100 + line) + " = compute(x)\n";
        folder.write("text" + std::to_string(i) + ".py", text);
    }
}

}  // namespace

TEST_CASE("texts are found by suffix, recursively, and each once", "[calibrate][corpus]") {
    support::temporary_folder folder;
    std::filesystem::create_directories(folder / "deeper");
    folder.write("a.py", "x = 1\n");
    folder.write("b.txt", "no");
    folder.write("deeper/c.py", "y = 2\n");
    folder.write("empty.py", "");
    folder.write("large.py", std::string(2000, 'x'));
    std::filesystem::create_symlink(folder / "a.py", folder / "link.py");

    const auto found = calibrate::find_texts({folder / "a.py", folder / "."}, {.max_file_bytes = 1000});
    std::set<std::string> names;
    for (const auto& path : found) names.insert(path.filename().string());
    CHECK(names == std::set<std::string>{"a.py", "c.py"});
    CHECK(calibrate::find_texts({folder / "b.txt"}).size() == 1);  // named explicitly, so its suffix does not matter
}

TEST_CASE("missing texts are refused by name", "[calibrate][corpus]") {
    support::temporary_folder folder;
    folder.write("b.txt", "no");
    CHECK(support::error_of([&] { (void)calibrate::find_texts({folder / "nowhere"}); }) ==
          support::thrown(eo::errc::no_such_file, {"nowhere", "no such file"}));
    CHECK(support::error_of([&] { (void)calibrate::find_texts({folder / "."}); }) ==
          support::thrown(eo::errc::no_such_file, {".py", "found none"}));
    folder.write("empty.py", "");
    CHECK(support::error_of([&] { (void)calibrate::read_corpus(example_model(), {folder / "empty.py"}); }) ==
          support::thrown(eo::errc::no_such_file, {"empty.py", "found none"}));
}

TEST_CASE("a special token in a text is encoded as plain text", "[calibrate][corpus]") {
    const support::temporary_folder folder;
    folder.write("a.py", "end = '<|endoftext|>'\n");
    const auto texts = calibrate::read_corpus(example_model(), {folder / "a.py"});
    REQUIRE(texts.size() == 1);
    CHECK(std::ranges::count(texts[0].ids, 4095) == 1);  // the token with which all texts of this model begin
    CHECK(texts[0].ids.front() == 4095);
    CHECK(example_model().tokenizer().decode(texts[0].ids) == "<|endoftext|>end = '<|endoftext|>'\n");
}

TEST_CASE("a corpus stays within its budget, reads a text once, and is reproducible", "[calibrate][corpus]") {
    const support::temporary_folder folder;
    write_texts(folder);
    std::filesystem::copy_file(folder / "text0.py", folder / "copy_of_0.py");
    const auto all = calibrate::read_corpus(example_model(), {folder / "."});
    CHECK(all.size() == 8);
    const auto some = calibrate::read_corpus(example_model(), {folder / "."}, {.max_tokens = 700});
    std::size_t tokens = 0;
    for (const auto& text : some) tokens += text.ids.size();
    CHECK(tokens == 700);
    const auto again = calibrate::read_corpus(example_model(), {folder / "."}, {.max_tokens = 700});
    REQUIRE(again.size() == some.size());
    for (std::size_t i = 0; i < some.size(); ++i) CHECK(again[i].ids == some[i].ids);
    const auto other = calibrate::read_corpus(example_model(), {folder / "."}, {.max_tokens = 700, .seed = 2});
    CHECK(other.front().name != some.front().name);
    const auto starts = calibrate::read_corpus(example_model(), {folder / "."}, {.max_tokens_per_text = 30});
    CHECK(std::ranges::all_of(starts, [](const auto& text) { return text.ids.size() == 30; }));
}

TEST_CASE("the part of a text follows from its contents", "[calibrate][corpus]") {
    std::size_t counts[3] = {};
    for (int i = 0; i < 10'000; ++i) {
        calibrate::corpus_text text;
        text.hash = calibrate::detail::hash_text("text " + std::to_string(i));
        ++counts[static_cast<std::size_t>(calibrate::part_of(text))];
    }
    CHECK(counts[0] > 5800);
    CHECK(counts[0] < 6200);
    CHECK(counts[1] > 1850);
    CHECK(counts[1] < 2150);
}

TEST_CASE("samples split a piece of text within the bounds of the SEC paper", "[calibrate][corpus]") {
    std::vector<calibrate::corpus_text> texts(3);
    for (std::size_t t = 0; t < texts.size(); ++t) {
        texts[t].name = std::to_string(t);
        texts[t].ids.resize(1000);
        for (std::size_t i = 0; i < 1000; ++i) texts[t].ids[i] = static_cast<eo::token_id>(1000 * t + i);
    }
    texts.push_back({"short", 0, {1, 2, 3}});
    const auto samples = calibrate::cut_samples(texts, {.count = 21, .length = 100});
    REQUIRE(samples.size() == 21);
    std::set<std::size_t> sizes;
    for (const calibrate::sample& s : samples) {
        CHECK(s.reference.size() == 10);
        CHECK(s.prompt.size() >= 50);
        CHECK(s.prompt.size() <= 90);
        CHECK(s.prompt.front() % 100 == 0);
        CHECK(s.reference.front() == s.prompt.back() + 1);
        sizes.insert(s.prompt.size());
    }
    CHECK(sizes.size() > 5);
    CHECK(calibrate::cut_samples(texts, {.count = 1000, .length = 100}).size() == 30);  // no more than there are
    const auto short_ones = calibrate::cut_samples({{"a", 0, std::vector<eo::token_id>(20)}}, {.count = 1});
    REQUIRE(short_ones.size() == 1);
    CHECK(short_ones[0].prompt.size() == 10);
    CHECK(support::error_of([&] { (void)calibrate::cut_samples(texts, {.length = 11}); }) ==
          support::thrown(eo::errc::invalid_argument, {"at least 12", "found 11"}));
}
