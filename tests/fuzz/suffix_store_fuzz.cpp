// SPDX-License-Identifier: MIT
// Any bytes, with the checksum that belongs to them, are a suffix store that drafts and is saved, or one
// earlyout::error.
#include <earlyout/generate/drafts/suffix_store.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <sstream>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace eo = earlyout;

const eo::suffix_store_options options{.max_tokens = 64, .max_sequences = 4, .vocab = 100, .fingerprint = "f"};

void load(eo::suffix_store& store, const std::string& bytes) {
    std::istringstream in(bytes);
    store.load(in, "fuzz");
}
std::string save(const eo::suffix_store& store) {
    std::ostringstream out;
    store.save(out, "fuzz");
    return std::move(out).str();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string bytes(reinterpret_cast<const char*>(data), size);
    eo::detail::running_checksum checksum;
    checksum.add(bytes);
    for (int i = 0; i < 8; ++i) bytes += static_cast<char>(checksum.value() >> (8 * i) & 0xff);
    try {
        eo::suffix_store store(options);
        load(store, bytes);
        const std::string saved = save(store);
        eo::suffix_store again(options);
        load(again, saved);
        if (save(again) != saved) __builtin_trap();
        // The bytes as tokens: what they draft is in the vocabulary.
        eo::suffix_store_cursor cursor;
        std::vector<eo::token_id> ids;
        for (const std::uint8_t byte : std::span(data, size).last(size < 200 ? size : 200)) {
            ids.push_back(byte);
            eo::draft made;
            store.propose(ids, cursor, {}, made);
            for (const eo::token_id id : made.ids()) {
                if (id < 0 || id >= 100) __builtin_trap();
            }
        }
    } catch (const eo::error&) {
    }
    return 0;
}
