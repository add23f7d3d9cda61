// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAFTS_DETAIL_SUFFIX_FILE_HPP
#define EARLYOUT_GENERATE_DRAFTS_DETAIL_SUFFIX_FILE_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/generate/detail/checked_file.hpp>

#include <cstddef>
#include <cstdint>
#include <istream>
#include <ostream>
#include <span>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

// The file of a suffix store, between magic, version and checksum:
//
//     vocabulary       u64, all ids are below
//     fingerprint      u32 size, then `size` bytes
//     sequences        u64
//     each of them     u32 size, at least 1, then `size` u32 ids
inline constexpr std::string_view suffix_file_magic = "EOSUFFIX";
inline constexpr std::uint32_t suffix_file_version = 1;
inline constexpr std::size_t max_suffix_fingerprint = 256;

class suffix_file_writer {
public:
    suffix_file_writer(std::ostream& out, std::string_view name)
        : file_(out, name, suffix_file_magic, suffix_file_version) {}

    void header(std::uint64_t vocab, std::string_view fingerprint, std::uint64_t sequences) {
        file_.number<std::uint64_t>(vocab);
        file_.text(fingerprint);
        file_.number<std::uint64_t>(sequences);
    }
    void sequence(std::span<const token_id> ids) {
        file_.number<std::uint32_t>(static_cast<std::uint32_t>(ids.size()));
        for (const token_id id : ids) file_.number<std::uint32_t>(static_cast<std::uint32_t>(id));
    }
    void finish() { file_.finish(); }

private:
    checked_writer file_;
};

/// Reads a file of which nothing is trusted: memory grows with what has been read.
class suffix_file_reader {
public:
    suffix_file_reader(std::istream& in, std::string_view name)
        : file_(in, name, suffix_file_magic, suffix_file_version, "suffix store") {}

    /// Returns the last sequences, of max_tokens and max_sequences at most; the first of them may exceed the former.
    std::vector<std::vector<token_id>> sequences(std::uint64_t vocab, std::string_view fingerprint,
                                                 std::size_t max_tokens, std::size_t max_sequences) {
        const auto found_vocab = file_.number<std::uint64_t>("vocabulary");
        if (found_vocab != vocab) {
            fail(errc::mismatch, file_.name(), ": vocabulary: expected ", vocab, " tokens, found ", found_vocab);
        }
        file_.expect_text("fingerprint", fingerprint, max_suffix_fingerprint);
        const auto count = file_.number<std::uint64_t>("number of sequences");
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
        file_.finish();
        found.erase(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(first));
        return found;
    }

private:
    std::vector<token_id> sequence(std::uint64_t vocab, std::size_t max_tokens) {
        const auto size = file_.number<std::uint32_t>("size of a sequence");
        if (size == 0) fail(errc::malformed_file, file_.name(), ": size of a sequence: expected at least 1, found 0");
        std::vector<token_id> ids;
        for (std::uint32_t i = 0; i < size; ++i) {
            const auto id = file_.number<std::uint32_t>("token id");
            if (id >= vocab || id > 0x7fffffffu) {
                fail(errc::malformed_file, file_.name(), ": token id: expected less than ", vocab, ", found ", id);
            }
            // Of a sequence that does not fit, the last tokens are kept.
            if (ids.size() >= 2 * max_tokens)
                ids.erase(ids.begin(), ids.end() - static_cast<std::ptrdiff_t>(max_tokens));
            ids.push_back(static_cast<token_id>(id));
        }
        return ids;
    }

    checked_reader file_;
};

}}}  // namespace earlyout::EARLYOUT_ABI::detail

#endif
