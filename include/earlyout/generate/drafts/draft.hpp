// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAFTS_DRAFT_HPP
#define EARLYOUT_GENERATE_DRAFTS_DRAFT_HPP

#include <earlyout/core/token.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Tokens proposed to follow a sequence, each with the probability that it is accepted if all before it are. Holds them
/// in place: filling one allocates nothing.
class draft {
public:
    /// More are rarely accepted together, while a block costs more with each.
    static constexpr std::size_t max_size = 31;

    draft() = default;
    /// @param limit max tokens wanted, at most max_size
    explicit draft(std::size_t limit) noexcept : limit_(std::min(limit, max_size)) {}

    /// Appends a token; ignored when the draft is full.
    /// @param probability in [0, 1]; NaN counts as 0
    void push(token_id id, float probability) noexcept {
        if (is_full()) return;
        ids_[size_] = id;
        probabilities_[size_] = probability > 0.0f ? std::min(probability, 1.0f) : 0.0f;
        ++size_;
    }
    /// Keeps the first `size` tokens.
    void truncate(std::size_t size) noexcept { size_ = std::min(size_, size); }
    void clear() noexcept { size_ = match_ = origin_ = layers_ = 0; }

    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] bool is_full() const noexcept { return size_ == limit_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::size_t limit() const noexcept { return limit_; }
    [[nodiscard]] std::span<const token_id> ids() const noexcept { return std::span(ids_).first(size_); }
    [[nodiscard]] std::span<const float> probabilities() const noexcept {
        return std::span(probabilities_).first(size_);
    }
    /// Returns the expected number of accepted tokens: the sum over the tokens of the probability that all up to there
    /// are accepted.
    [[nodiscard]] float expected_accepted() const noexcept {
        float all = 1.0f, sum = 0.0f;
        for (const float p : probabilities()) sum += all *= p;
        return sum;
    }

    /// Returns how many of the sequence's last tokens the draft was found by; 0: unknown.
    [[nodiscard]] std::size_t match() const noexcept { return match_; }
    void set_match(std::size_t tokens) noexcept { match_ = tokens; }
    /// Returns the index of the drafter that proposed it, in the order of drafter_names().
    [[nodiscard]] std::size_t origin() const noexcept { return origin_; }
    void set_origin(std::size_t drafter) noexcept { origin_ = drafter; }
    /// Returns how many of the model's layers ran to draft each token; 0: none.
    [[nodiscard]] std::size_t layers() const noexcept { return layers_; }
    void set_layers(std::size_t layers) noexcept { layers_ = layers; }

private:
    std::array<token_id, max_size> ids_{};
    std::array<float, max_size> probabilities_{};
    std::size_t limit_ = max_size;
    std::size_t size_ = 0;
    std::size_t match_ = 0;
    std::size_t origin_ = 0;
    std::size_t layers_ = 0;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
