// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAFTS_SUFFIX_STORE_HPP
#define EARLYOUT_GENERATE_DRAFTS_SUFFIX_STORE_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/generate/drafts/detail/suffix_file.hpp>
#include <earlyout/generate/drafts/draft.hpp>
#include <earlyout/generate/drafts/suffix_matches.hpp>
#include <earlyout/generate/drafts/suffix_tree.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <istream>
#include <mutex>
#include <ostream>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

struct suffix_store_options {
    std::size_t max_tokens = std::size_t{1} << 17;   ///< of all sequences; see suffix_tree::bytes
    std::size_t max_sequences = 1024;                ///< the oldest make room for new ones
    std::size_t max_depth = suffix_tree::max_depth;  ///< tokens of the longest match and its draft together
    std::size_t vocab = std::size_t{1} << 31;        ///< token ids are 0 .. vocab - 1
    std::string fingerprint{};                       ///< of the tokenizer, at most 256 bytes: files must have it
};

/// Where the last tokens of a sequence occur in a store. Only saves time: any cursor gives the same drafts.
class suffix_store_cursor {
public:
    /// Only the sequence's first `size` tokens remain.
    void rollback(std::size_t size) noexcept {
        if (size < size_) version_ = 0;
    }

private:
    friend class suffix_store;
    suffix_matches matches_;
    std::size_t size_ = 0;       ///< tokens of the sequence that were followed
    std::uint64_t version_ = 0;  ///< of the store; 0: none
};

/// Sequences of tokens for the drafts of other sequences: finished requests, files to be edited. When it is full the
/// oldest make room. Functions may be called from several threads at once. Memory is allocated by the constructor.
class suffix_store {
public:
    /// Throws invalid_argument, out_of_memory.
    explicit suffix_store(suffix_store_options options = {})
        : options_(std::move(options)), tree_(options_.max_tokens, options_.max_depth, options_.max_sequences) {
        if (options_.fingerprint.size() > detail::max_suffix_fingerprint) {
            fail(errc::invalid_argument, "suffix_store: fingerprint: expected at most ", detail::max_suffix_fingerprint,
                 " bytes, found ", options_.fingerprint.size());
        }
    }

    [[nodiscard]] const suffix_store_options& options() const noexcept { return options_; }
    /// Returns the number of tokens of all sequences.
    [[nodiscard]] std::size_t size() const {
        const std::shared_lock lock(mutex_);
        return tree_.size();
    }
    [[nodiscard]] std::size_t sequences() const {
        const std::shared_lock lock(mutex_);
        return tree_.sequences();
    }

    /// Adds a sequence; of more than max_tokens the last. An empty one is ignored. Takes a few microseconds for each
    /// token, during which propose() drafts nothing.
    /// Throws out_of_range if an id is not below options().vocab.
    void add(std::span<const token_id> ids) {
        check_ids(ids, "suffix_store");
        const std::unique_lock lock(mutex_);
        add_checked(ids);
    }

    /// Drafts as suffix_tree::propose() does, from where the last tokens of a sequence occur here. Never waits: while
    /// another thread adds a sequence there is no draft.
    /// @param ids the sequence so far
    /// @param cursor of this sequence; told of rollbacks
    /// @param out filled if a draft has more than `at_least` expected tokens
    void propose(std::span<const token_id> ids, suffix_store_cursor& cursor, const suffix_draft_options& options,
                 draft& out, float at_least = 0.0f) const noexcept {
        const std::shared_lock lock(mutex_, std::try_to_lock);
        if (!lock.owns_lock()) return;
        // Matches depend on the last tokens alone, so that they can be found anew at any time.
        const std::size_t longest = options_.max_depth - 1;
        const bool follows = cursor.version_ == version_ && cursor.size_ <= ids.size();
        std::size_t from = ids.size() - std::min(ids.size(), longest);
        if (follows && cursor.size_ >= from) {
            from = cursor.size_;
        } else {
            cursor.matches_.clear();
        }
        for (const token_id id : ids.subspan(from)) tree_.advance(cursor.matches_, id);
        cursor.size_ = ids.size();
        cursor.version_ = version_;
        tree_.propose(cursor.matches_, options, out, at_least);
    }

    /// Writes the sequences, the oldest first. Throws io.
    /// @param name in messages
    void save(std::ostream& out, std::string_view name) const {
        detail::only_errors(name, [&] {
            std::vector<token_id> ids;
            std::vector<std::size_t> sizes;
            {
                const std::shared_lock lock(mutex_);
                ids.resize(tree_.size());
                for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = tree_.token(i);
                sizes.resize(tree_.sequences());
                for (std::size_t i = 0; i < sizes.size(); ++i) sizes[i] = tree_.sequence_size(i);
            }
            detail::suffix_file_writer file(out, name);
            file.header(options_.vocab, options_.fingerprint, sizes.size());
            std::span<const token_id> left(ids);
            for (const std::size_t size : sizes) {
                file.sequence(left.first(size));
                left = left.subspan(size);
            }
            file.finish();
        });
    }
    /// Adds the sequences that save() wrote, all or none. Of a file that has more than max_tokens it keeps the last.
    /// Throws malformed_file, mismatch if the file is of another vocabulary or fingerprint, io, out_of_memory.
    /// @param name in messages
    void load(std::istream& in, std::string_view name) {
        detail::only_errors(name, [&] {
            detail::suffix_file_reader file(in, name);
            const std::vector<std::vector<token_id>> found =
                file.sequences(options_.vocab, options_.fingerprint, options_.max_tokens, options_.max_sequences);
            const std::unique_lock lock(mutex_);
            for (const std::vector<token_id>& ids : found) add_checked(ids);
        });
    }

private:
    void check_ids(std::span<const token_id> ids, std::string_view name) const {
        const auto wrong = std::ranges::find_if(
            ids, [&](token_id id) { return id < 0 || static_cast<std::size_t>(id) >= options_.vocab; });
        if (wrong == ids.end()) return;
        fail(errc::out_of_range, name, ": token id: expected 0 .. ", options_.vocab - 1, ", found ", *wrong);
    }
    void add_checked(std::span<const token_id> ids) noexcept {
        ids = ids.last(std::min(ids.size(), options_.max_tokens));
        if (ids.empty()) return;
        while (tree_.size() + ids.size() > options_.max_tokens || tree_.sequences() == options_.max_sequences) {
            tree_.remove_oldest();
        }
        for (const token_id id : ids) tree_.append(id);
        tree_.finish();
        version_ = next_version();
    }
    /// No two stores have the same.
    static std::uint64_t next_version() noexcept {
        static std::atomic<std::uint64_t> last{0};
        return ++last;
    }

    suffix_store_options options_;
    mutable std::shared_mutex mutex_;
    suffix_tree tree_;
    std::uint64_t version_ = next_version();  ///< matches are valid for the same one
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
