// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAFTS_DETAIL_SUFFIX_FILE_HPP
#define EARLYOUT_GENERATE_DRAFTS_DETAIL_SUFFIX_FILE_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <istream>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

// The file of a suffix store; numbers are little-endian:
//
//     magic            8 bytes, "EOSUFFIX"
//     version          u32, 1
//     vocabulary       u64, all ids are below
//     fingerprint      u32 size, then `size` bytes
//     sequences        u64
//     each of them     u32 size, at least 1, then `size` u32 ids
//     checksum         u64, FNV-1a of all bytes before
inline constexpr std::string_view suffix_file_magic = "EOSUFFIX";
inline constexpr std::uint32_t suffix_file_version = 1;
inline constexpr std::size_t max_suffix_fingerprint = 256;

/// FNV-1a, 64 bits.
class running_checksum {
public:
    void add(std::span<const char> bytes) noexcept {
        for (const char byte : bytes) sum_ = (sum_ ^ static_cast<unsigned char>(byte)) * 0x100000001b3u;
    }
    [[nodiscard]] std::uint64_t value() const noexcept { return sum_; }

private:
    std::uint64_t sum_ = 0xcbf29ce484222325u;
};

class suffix_file_writer {
public:
    suffix_file_writer(std::ostream& out, std::string_view name) : out_(out), name_(name) {}

    void header(std::uint64_t vocab, std::string_view fingerprint, std::uint64_t sequences) {
        write(suffix_file_magic);
        number<std::uint32_t>(suffix_file_version);
        number<std::uint64_t>(vocab);
        number<std::uint32_t>(static_cast<std::uint32_t>(fingerprint.size()));
        write(fingerprint);
        number<std::uint64_t>(sequences);
    }
    void sequence(std::span<const token_id> ids) {
        number<std::uint32_t>(static_cast<std::uint32_t>(ids.size()));
        for (const token_id id : ids) number<std::uint32_t>(static_cast<std::uint32_t>(id));
    }
    void finish() {
        number<std::uint64_t>(checksum_.value());
        out_.flush();
        if (!out_) fail(errc::io, name_, ": cannot be written");
    }

private:
    template <class Unsigned>
    void number(Unsigned value) {
        std::array<char, sizeof(Unsigned)> bytes{};
        for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(value >> (8 * i) & 0xffu);
        write({bytes.data(), bytes.size()});
    }
    void write(std::string_view bytes) {
        checksum_.add(bytes);
        out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    }

    std::ostream& out_;
    std::string_view name_;
    running_checksum checksum_;
};

/// Reads a file of which nothing is trusted: memory grows with what has been read.
class suffix_file_reader {
public:
    suffix_file_reader(std::istream& in, std::string_view name) : in_(in), name_(name) {}

    /// Returns the last sequences, of max_tokens and max_sequences at most; the first of them may exceed the former.
    std::vector<std::vector<token_id>> sequences(std::uint64_t vocab, std::string_view fingerprint,
                                                 std::size_t max_tokens, std::size_t max_sequences) {
        check_header(vocab, fingerprint);
        const auto count = number<std::uint64_t>("number of sequences");
        std::vector<std::vector<token_id>> found;
        std::size_t tokens = 0, first = 0;
        for (std::uint64_t i = 0; i < count; ++i) {
            found.push_back(sequence(vocab, max_tokens));
            tokens += found.back().size();
            while (tokens > max_tokens || found.size() - first > max_sequences) {
                if (first + 1 == found.size()) break;
                tokens -= found[first].size();
                std::vector<token_id>().swap(found[first++]);
            }
        }
        const std::uint64_t expected = checksum_.value(), stored = number<std::uint64_t>("checksum");
        if (stored != expected) {
            fail(errc::malformed_file, name_, ": checksum: expected ", expected, ", found ", stored, ": it is damaged");
        }
        if (in_.peek() != std::istream::traits_type::eof()) {
            fail(errc::malformed_file, name_, ": end: expected nothing after the checksum, found more bytes");
        }
        found.erase(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(first));
        return found;
    }

private:
    void check_header(std::uint64_t vocab, std::string_view fingerprint) {
        std::array<char, suffix_file_magic.size()> magic{};
        read(magic, "magic");
        if (!std::ranges::equal(magic, suffix_file_magic)) {
            fail(errc::malformed_file, name_, ": magic: expected \"", suffix_file_magic, "\", found \"",
                 std::string(magic.begin(), magic.end()), "\": it is no suffix store");
        }
        const auto version = number<std::uint32_t>("version");
        if (version != suffix_file_version) {
            fail(errc::unsupported, name_, ": version: expected ", suffix_file_version, ", found ", version);
        }
        const auto found_vocab = number<std::uint64_t>("vocabulary");
        if (found_vocab != vocab) {
            fail(errc::mismatch, name_, ": vocabulary: expected ", vocab, " tokens, found ", found_vocab);
        }
        const auto size = number<std::uint32_t>("fingerprint");
        if (size > max_suffix_fingerprint) {
            fail(errc::malformed_file, name_, ": fingerprint: expected at most ", max_suffix_fingerprint,
                 " bytes, found ", size);
        }
        std::string found(size, '\0');
        read(found, "fingerprint");
        if (found != fingerprint) {
            fail(errc::mismatch, name_, ": fingerprint: expected \"", fingerprint, "\", found \"", found, "\"");
        }
    }
    std::vector<token_id> sequence(std::uint64_t vocab, std::size_t max_tokens) {
        const auto size = number<std::uint32_t>("size of a sequence");
        if (size == 0) fail(errc::malformed_file, name_, ": size of a sequence: expected at least 1, found 0");
        std::vector<token_id> ids;
        for (std::uint32_t i = 0; i < size; ++i) {
            const auto id = number<std::uint32_t>("token id");
            if (id >= vocab || id > 0x7fffffffu) {
                fail(errc::malformed_file, name_, ": token id: expected less than ", vocab, ", found ", id);
            }
            // Of a sequence that does not fit, the last tokens are kept.
            if (ids.size() >= 2 * max_tokens)
                ids.erase(ids.begin(), ids.end() - static_cast<std::ptrdiff_t>(max_tokens));
            ids.push_back(static_cast<token_id>(id));
        }
        return ids;
    }

    template <class Unsigned>
    Unsigned number(const char* what) {
        std::array<char, sizeof(Unsigned)> bytes{};
        read(bytes, what);
        Unsigned value = 0;
        for (std::size_t i = bytes.size(); i-- > 0;) {
            value = static_cast<Unsigned>(value << 8 | static_cast<unsigned char>(bytes[i]));
        }
        return value;
    }
    void read(std::span<char> bytes, const char* what) {
        in_.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        const auto count = static_cast<std::size_t>(in_.gcount());
        if (in_.bad()) fail(errc::io, name_, ": cannot be read");
        if (count != bytes.size()) {
            fail(errc::malformed_file, name_, ": ", what, ": expected ", bytes.size(), " bytes, found ", count,
                 " left: the file is truncated or damaged");
        }
        checksum_.add(bytes);
    }

    std::istream& in_;
    std::string_view name_;
    running_checksum checksum_;
};

}}}  // namespace earlyout::EARLYOUT_ABI::detail

#endif
