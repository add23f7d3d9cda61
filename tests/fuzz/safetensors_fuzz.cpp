// SPDX-License-Identifier: MIT
// Any bytes are a readable safetensors file, or one earlyout::error; the same as an exit sidecar.
#include <earlyout/io/sidecar.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        const earlyout::io::safetensors contents(std::as_bytes(std::span(data, size)), "fuzz");
        for (const auto& [name, view] : contents.tensors()) {
            // Touches the first and the last byte of every tensor, so that the address sanitizer sees them.
            if (view.bytes.size() != view.element_count() * earlyout::size_of(view.type)) __builtin_trap();
            if (!view.bytes.empty()) {
                volatile std::byte touched = view.bytes.front();
                touched = view.bytes.back();
                (void)touched;
            }
        }
        (void)earlyout::io::read_exits(contents);
    } catch (const earlyout::error&) {
    }
    return 0;
}
