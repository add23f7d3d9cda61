// SPDX-License-Identifier: MIT
// Any bytes are a packed file that loads and runs, or one earlyout::error. The header, which is text, ends at the first
// byte 0; what follows is the data: so that a header may grow and shrink.
#include <earlyout/core/executor.hpp>
#include <earlyout/io/load.hpp>
#include <earlyout/models/any_model.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "support/temporary_folder.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace eo = earlyout;

/// A safetensors file, its data from a multiple of 64 bytes on.
std::string safetensors(std::string_view input) {
    constexpr std::size_t prefix = 8;
    const std::size_t end = std::min(input.find('\0'), input.size());
    std::string header(input.substr(0, end));
    header.append((64 - (prefix + header.size()) % 64) % 64, ' ');
    std::string file(prefix, '\0');
    for (std::size_t i = 0; i < prefix; ++i) file[i] = static_cast<char>(header.size() >> (8 * i));
    return file.append(header).append(input.substr(std::min(end + 1, input.size())));
}

void run(const eo::any_model& model) {
    eo::inline_executor on;
    eo::kv_cache cache(model.shape(), 3);
    eo::workspace scratch(model.shape(), 2, 1);
    std::vector<float> row(model.shape().d_model), logits(model.shape().vocab);
    for (std::size_t position = 0; position < std::min<std::size_t>(3, model.shape().context); ++position) {
        model.embed(static_cast<eo::token_id>(position % model.shape().vocab), position, row.data());
        const eo::layer_token token{&cache, position, row.data()};
        model.run_layers(1, model.shape().layers, {&token, 1}, scratch, on);
        model.logits(row.data(), logits, scratch, on);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const support::temporary_folder folder;
    folder.write("model", safetensors({reinterpret_cast<const char*>(data), size}));
    try {
        const auto model = eo::io::load<eo::any_model>(folder / "model", eo::any_format::as_stored());
        run(model.network());
        if (model.has_tokenizer()) (void)model.tokenizer().decode(model.tokenizer().encode("if x<s>:\n 12"));
    } catch (const eo::error&) {
    }
    return 0;
}
