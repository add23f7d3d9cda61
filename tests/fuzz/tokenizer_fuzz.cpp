// SPDX-License-Identifier: MIT
// libFuzzer target: a tokenizer file of any content gives a tokenizer or one earlyout::error. What follows a
// 0xff byte, which no JSON holds, is a text to encode.
#include <earlyout/io/tokenizer.hpp>

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

void use(const earlyout::io::tokenizer& words, std::string_view text) {
    const std::vector<earlyout::token_id> ids = words.encode(text);
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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const std::size_t end = input.find('\xff');
    const std::string_view text = end == std::string_view::npos ? "a b\xe2\x82 <x>12\n" : input.substr(end + 1);
    try {
        use(earlyout::io::tokenizer::from_json(input.substr(0, end), "fuzz"), text);
    } catch (const earlyout::error&) {
        // What a malformed file is answered with.
    }
    return 0;
}
