// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAFTS_HASHED_TABLE_HPP
#define EARLYOUT_GENERATE_DRAFTS_HASHED_TABLE_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// A table of the token that last followed a few tokens, by their hash. Constant memory: what has the same slot
/// overwrites. Several threads may read and write it at once; each entry is one atomic word.
class hashed_table {
public:
    /// An entry: 32 bits of the hash, not all zero, and the token. 0: empty.
    using entry = std::uint64_t;

    static constexpr std::size_t default_bits = 15;
    static constexpr std::size_t max_bits = 30;

    /// @param bits the table has 2^bits entries of 8 bytes, 1 .. max_bits
    /// Throws invalid_argument, out_of_memory.
    explicit hashed_table(std::size_t bits = default_bits)
        : bits_(checked(bits)), entries_(detail::only_errors("hashed_table", [&] {
              return std::vector<std::atomic<entry>>(std::size_t{1} << bits);
          })) {}

    [[nodiscard]] std::size_t bytes() const noexcept { return entries_.size() * sizeof(entry); }

    /// Hashes the last tokens before a token.
    [[nodiscard]] static std::uint64_t hash(std::span<const token_id> ids) noexcept {
        std::uint64_t made = ids.size();
        for (const token_id id : ids) {
            made = (made ^ static_cast<std::uint32_t>(id)) * 0x9e3779b97f4a7c15u;
            made ^= made >> 29;
        }
        return made;
    }

    /// Returns what last followed the tokens of a hash.
    [[nodiscard]] std::optional<token_id> find(std::uint64_t hash) const noexcept {
        const entry found = slot(hash).load(std::memory_order_relaxed);
        if (found >> 32 != check(hash)) return std::nullopt;
        return static_cast<token_id>(found & 0xffffffffu);
    }
    /// Stores what follows the tokens of a hash now. Returns what the slot contained.
    entry store(std::uint64_t hash, token_id next) noexcept {
        const entry before = slot(hash).load(std::memory_order_relaxed);
        slot(hash).store(check(hash) << 32 | static_cast<std::uint32_t>(next), std::memory_order_relaxed);
        return before;
    }
    /// Gives a slot back what store() replaced.
    void restore(std::uint64_t hash, entry before) noexcept { slot(hash).store(before, std::memory_order_relaxed); }

private:
    static std::size_t checked(std::size_t bits) {
        if (bits == 0 || bits > max_bits) {
            fail(errc::invalid_argument, "hashed_table: bits: expected 1 .. ", max_bits, ", found ", bits);
        }
        return bits;
    }
    [[nodiscard]] static std::uint64_t check(std::uint64_t hash) noexcept { return (hash & 0xffffffffu) | 1u; }
    [[nodiscard]] std::atomic<entry>& slot(std::uint64_t hash) noexcept { return entries_[hash >> (64 - bits_)]; }
    [[nodiscard]] const std::atomic<entry>& slot(std::uint64_t hash) const noexcept {
        return entries_[hash >> (64 - bits_)];
    }

    std::size_t bits_;
    std::vector<std::atomic<entry>> entries_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
