// SPDX-License-Identifier: MIT
// Compares with Hugging Face's library, over any amount of text:
//
//     node tests/data/tokenizer/make_families.mjs NODE_MODULES FOLDER FILES...
//     earlyout_tokenizer_compare FOLDER
//
// For each FOLDER/NAME.json: how many texts get other ids, or other text from these ids with a stream decoder than
// with decode(), and bytes a second of processor time. Exit status 1 when there are any.
#include <earlyout/io/tokenizer_file.hpp>
#include <earlyout/text/tokenizer.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace {

using earlyout::token_id;
using earlyout::text::tokenizer;

std::string read(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// Removes a count and that many elements of `size` bytes from the start of `from`.
std::string_view take(std::string_view& from, std::size_t size) {
    std::uint32_t count = 0;
    if (from.size() < sizeof count) return {};
    std::memcpy(&count, from.data(), sizeof count);
    const std::string_view taken = from.substr(sizeof count, count * size);
    from.remove_prefix(sizeof count + taken.size());
    return taken;
}

bool streams_alike(const tokenizer& words, const std::vector<token_id>& ids) {
    auto decoder = words.stream();
    std::string shown;
    for (const token_id id : ids) shown += decoder.push(id);
    shown += decoder.finish();
    return shown == words.decode(ids);
}

std::size_t compare(const std::filesystem::path& file, std::string_view texts) {
    const tokenizer words = earlyout::io::load_tokenizer(file);
    const std::string ids = read(std::filesystem::path(file).replace_extension(".ids"));
    std::string_view expected = ids;
    std::size_t bytes = 0, count = 0, differ = 0;
    std::clock_t spent = 0;
    for (; !texts.empty(); ++count) {
        const std::string_view text = take(texts, 1);
        const std::clock_t begun = std::clock();
        const std::vector<token_id> found = words.encode(text);
        spent += std::clock() - begun;
        bytes += text.size();
        const std::string_view wanted = take(expected, sizeof(token_id));
        const std::string_view made(reinterpret_cast<const char*>(found.data()), found.size() * sizeof(token_id));
        differ += wanted != made || !streams_alike(words, found) ? 1 : 0;
    }
    std::cout << file.stem().string() << ": " << differ << " of " << count << " texts differ, "
              << static_cast<double>(bytes) / 1e6 / (static_cast<double>(spent) / CLOCKS_PER_SEC) << " MB/s\n";
    return differ;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: earlyout_tokenizer_compare FOLDER\n";
        return 2;
    }
    const std::filesystem::path folder = argv[1];
    const std::string texts = read(folder / "texts");
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        if (entry.path().extension() == ".json") files.push_back(entry.path());
    }
    std::ranges::sort(files);
    std::size_t differ = 0;
    for (const auto& file : files) differ += compare(file, texts);
    return differ == 0 && !files.empty() ? 0 : 1;
}
