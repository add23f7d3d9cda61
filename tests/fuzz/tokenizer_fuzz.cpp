// SPDX-License-Identifier: MIT
// libFuzzer target: a tokenizer file of any content, or parts of any content after a 0x01 byte, give a tokenizer or one
// earlyout::error. The bytes after a 0xff byte, which no JSON holds, are a text to encode.
#include <earlyout/text/fill_in_the_middle.hpp>
#include <earlyout/text/tokenizer.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace {

void require(bool right) {
    if (!right) std::abort();
}

void use(const earlyout::text::tokenizer& words, std::string_view text) {
    (void)words.encode(text, {.special_tokens = false, .continues = true});
    if (const auto middle = earlyout::text::fill_in_the_middle::of(words)) (void)middle->prompt(words, text, text);
    const std::vector<earlyout::token_id> ids = words.encode(text, {.add_special_tokens = true});
    for (const earlyout::token_id id : ids) require(id >= 0 && static_cast<std::size_t>(id) < words.size());
    const std::string decoded = words.decode(ids);
    auto decoder = words.stream();
    std::string streamed;
    for (const earlyout::token_id id : ids) {
        require(words.piece(id).size() <= words.max_piece_size());
        streamed += decoder.push(id);
    }
    streamed += decoder.finish();
    require(streamed == decoded);
}

/// A byte of options, then lines: kind, score and piece; an empty line; merges.
earlyout::text::tokenizer_parts parts_of(std::string_view input) {
    using parts_type = earlyout::text::tokenizer_parts;
    parts_type parts;
    parts.source = "fuzz";
    const unsigned options = input.empty() ? 0 : static_cast<unsigned char>(input[0]);
    parts.type = (options & 1) != 0 ? parts_type::algorithm::sentence_piece : parts_type::algorithm::byte_level;
    parts.add_space_prefix = (options & 2) != 0;
    parts.ignore_merges = (options & 4) != 0;
    parts.whole_text = (options & 8) != 0;
    parts.before = {static_cast<earlyout::token_id>(options >> 4 & 3)};
    input.remove_prefix(input.empty() ? 0 : 1);
    bool merges = false;
    while (!input.empty()) {
        const std::string_view line = input.substr(0, input.find('\n'));
        input.remove_prefix(line.size() < input.size() ? line.size() + 1 : line.size());
        if (line.empty()) {
            merges = true;
        } else if (merges) {
            parts.merges.emplace_back(line);
        } else {
            parts.kinds.push_back(static_cast<parts_type::kind>(line[0] - '0'));
            parts.scores.push_back(line.size() > 1 ? static_cast<float>('a' - line[1]) : 0.0f);
            parts.pieces.emplace_back(line.substr(line.size() < 2 ? line.size() : 2));
        }
    }
    return parts;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const std::size_t end = input.find('\xff');
    const std::string_view text = end == std::string_view::npos ? "a b\xe2\x82 <x>12\n" : input.substr(end + 1);
    try {
        const std::string_view file = input.substr(0, end);
        use(file.starts_with('\1') ? earlyout::text::tokenizer::from_parts(parts_of(file.substr(1)))
                                   : earlyout::text::tokenizer::from_json(file, "fuzz"),
            text);
    } catch (const earlyout::error&) {
        // The expected result for a malformed file.
    }
    return 0;
}
