// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_SEQUENCE_FILE_HPP
#define EARLYOUT_GENERATE_SEQUENCE_FILE_HPP

#include <earlyout/core/config.hpp>
#include <earlyout/core/error.hpp>
#include <earlyout/core/shape.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/generate/detail/checked_file.hpp>
#include <earlyout/generate/sequence_snapshot.hpp>
#include <earlyout/nn/kv_cache.hpp>
#include <earlyout/nn/kv_pool.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <istream>
#include <memory>
#include <ostream>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Saves and loads snapshots, with keys, values and pending hidden states as they are, so that a sequence goes on
/// exactly as it would have. A file belongs to one model in one weight format, to one format of keys and values and to
/// one instruction set, on which the bits depend.
class sequence_file {
public:
    static constexpr std::string_view magic = "EOSEQNCE";
    static constexpr std::uint32_t version = 1;
    static constexpr std::size_t max_fingerprint = 256;

    // Between magic, version and checksum: what it belongs to; u64 tokens, exact prefix and first hidden state, and of
    // a model with mixtures the experts that a token chose; u32 ids; u64 frontiers; floats of hidden states; for each
    // layer u64 entries and positions; then of each page and head keys and values.

    /// Writes a snapshot.
    /// @param name        in messages
    /// @param fingerprint of the model and its weight format, at most 256 bytes
    /// @throws error (io), (invalid_argument) for a longer fingerprint
    static void save(const sequence_snapshot& of, const model_shape& shape, std::string_view fingerprint,
                     std::ostream& out, std::string_view name) {
        if (fingerprint.size() > max_fingerprint) {
            fail(errc::invalid_argument, "fingerprint: expected at most ", max_fingerprint, " bytes, found ",
                 fingerprint.size());
        }
        detail::checked_writer file(out, name, magic, version);
        file.text(fingerprint);
        file.text(instruction_set);
        file.text(of.cache_.format().name());
        for (const std::size_t value : sizes_of(shape)) file.number<std::uint64_t>(value);
        file.number<std::uint64_t>(of.size());
        file.number<std::uint64_t>(of.exact_);
        file.number<std::uint64_t>(of.hidden_from_);
        if (shape.experts != 0) file.number<std::uint64_t>(of.active_experts_);
        for (const token_id id : of.ids_) file.number<std::uint32_t>(static_cast<std::uint32_t>(id));
        for (const std::size_t frontier : of.frontier_) file.number<std::uint64_t>(frontier);
        file.write({reinterpret_cast<const char*>(of.hidden_.data()), of.hidden_.size() * sizeof(float)});
        for (std::size_t layer = 1; layer <= shape.layers; ++layer) {
            const std::size_t entries = of.cache_.length(layer);
            file.number<std::uint64_t>(entries);
            for (std::size_t e = 0; e < entries; ++e) file.number<std::uint64_t>(of.cache_.position(layer, e));
            of.cache_.for_each_part(layer, [&](std::span<const std::byte> part) {
                file.write({reinterpret_cast<const char*>(part.data()), part.size()});
            });
        }
        file.finish();
    }

    /// Reads a snapshot into pages of a pool.
    /// @throws error (mismatch) for another model, format or instruction set, (malformed_file) for a damaged file,
    ///         (out_of_memory) when it has more tokens than the pool has pages for, (io)
    [[nodiscard]] static sequence_snapshot load(const model_shape& shape, std::string_view fingerprint,
                                                std::shared_ptr<kv_pool> pool, std::istream& in,
                                                std::string_view name) {
        detail::checked_reader file(in, name, magic, version, "saved sequence");
        file.expect_text("fingerprint", fingerprint, max_fingerprint);
        file.expect_text("instruction set", instruction_set, max_fingerprint);
        file.expect_text("format of keys and values", pool->format().name(), max_fingerprint);
        for (const std::size_t value : sizes_of(shape)) file.expect_number<std::uint64_t>("shape", value);
        const auto size = number(file, "tokens", 1, std::min(shape.context, pool->pages() * pool->page_entries()));
        if (shape.layers * kv_pool::pages_for(size) > pool->available()) {
            fail(errc::out_of_memory, name, ": expected at most as many tokens as there are pages for, found ", size);
        }
        sequence_snapshot made(shape, size, std::move(pool));
        made.exact_ = number(file, "exact prefix", 0, size);
        made.hidden_from_ = number(file, "first hidden state", 0, size);
        if (shape.experts != 0) made.active_experts_ = number(file, "active experts", 1, shape.experts);
        for (token_id& id : made.ids_) {
            const auto found = file.number<std::uint32_t>("token id");
            if (found >= shape.vocab) {
                fail(errc::malformed_file, name, ": token id: expected less than ", shape.vocab, ", found ", found);
            }
            id = static_cast<token_id>(found);
        }
        std::size_t most = size;
        for (std::size_t& frontier : made.frontier_) most = frontier = number(file, "frontier", 0, most);
        if (most < made.hidden_from_) {
            fail(errc::malformed_file, name, ": first hidden state: expected at most ", most, ", found ",
                 made.hidden_from_);
        }
        made.hidden_.resize((size - made.hidden_from_) * shape.d_model);
        file.read({reinterpret_cast<char*>(made.hidden_.data()), made.hidden_.size() * sizeof(float)}, "hidden states");
        for (std::size_t layer = 1; layer <= shape.layers; ++layer) {
            const std::size_t frontier = made.frontier_[layer - 1];
            std::size_t least = 0;
            for (std::size_t left = number(file, "entries", 0, frontier); left > 0; --left) {
                const std::size_t position = number(file, "position", least, frontier - left);
                (void)made.cache_.push(layer, position);
                least = position + 1;
            }
            made.cache_.for_each_part(layer, [&](std::span<std::byte> part) {
                file.read({reinterpret_cast<char*>(part.data()), part.size()}, "keys and values");
            });
        }
        file.finish();
        return made;
    }

private:
    [[nodiscard]] static std::vector<std::size_t> sizes_of(const model_shape& shape) {
        return {shape.layers, shape.d_model, shape.heads, shape.kv_heads, shape.head_dim, shape.vocab};
    }
    [[nodiscard]] static std::size_t number(detail::checked_reader& file, std::string_view what, std::uint64_t least,
                                            std::uint64_t most) {
        const auto found = file.number<std::uint64_t>(what);
        if (found < least || found > most) {
            fail(errc::malformed_file, file.name(), ": ", what, ": expected ", least, " .. ", most, ", found ", found);
        }
        return static_cast<std::size_t>(found);
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
