// SPDX-License-Identifier: MIT
// Any bytes are a packed file that loads and runs, or one earlyout::error. The header, which is text, ends at the first
// byte 0, followed by the data: so that a header may grow and shrink.
#include <earlyout/core/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/run_model.hpp"
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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const support::temporary_folder folder;
    folder.write("model", safetensors({reinterpret_cast<const char*>(data), size}));
    try {
        fuzz::run(folder / "model");
    } catch (const eo::error&) {
    }
    return 0;
}
