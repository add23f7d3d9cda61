// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_HEADS_SHORTLIST_HPP
#define EARLYOUT_EXIT_HEADS_SHORTLIST_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/exit/heads/shared_head.hpp>

#include <cstddef>
#include <span>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// An exit head that computes all logits at a token's first exit and, at later exits, only those of the most likely
/// tokens of the first ("dynamic vocabulary pruning", arXiv 2410.18952), so that a confidence costs a few rows of the
/// output matrix instead of all. Those rows are copied once per token, when a second exit is evaluated.
///
/// At later exits argmax, max_probability, margin and entropy are those of softmax over the shortlist. A gate that
/// reads logits() there gets all of them, and from then on the other signals of that exit follow from all of them.
///
/// Under greedy decoding, a token that exits at a later exit is the shortlist's arg-max, with the shortlist's log
/// probability; when sampling or with a repetition penalty, all logits are computed. A token that runs to full depth is
/// predicted from all logits, or from the shortlist's arg-max too if the list's reach includes full depth: then a gate
/// evaluation that does not exit costs little beyond the layers. With a shortlist of the whole vocabulary, nothing
/// differs from the head it holds.
template <class Head = shared_head>
class shortlist {
public:
    static constexpr bool uses_lm_head = true;  ///< as the head it holds

    /// @param tokens size of the list; a smaller vocabulary is used whole
    /// @param head   head to hold; it must apply the model's own output matrix last
    /// @throws error (invalid_argument) for fewer than 2, which have no margin
    explicit shortlist(std::size_t tokens = 256, Head head = {}, shortlist_reach reach = shortlist_reach::exits)
        : tokens_(tokens), head_(std::move(head)), reach_(reach) {
        static_assert(
            requires { requires Head::uses_lm_head; },
            "earlyout: a shortlist consists of rows of the model's output matrix, which this exit head does "
            "not apply last; a head that does declares `static constexpr bool uses_lm_head = true;`");
        if (tokens < 2) fail(errc::invalid_argument, "shortlist: expected at least 2 tokens, found ", tokens);
    }

    [[nodiscard]] shortlist_use run_time_shortlist() const noexcept { return {tokens_, reach_}; }
    [[nodiscard]] std::size_t scratch_bytes(std::size_t rows) const { return head_scratch_bytes(head_, rows); }
    void check(const model_shape& shape) const {
        if constexpr (requires { head_.check(shape); }) head_.check(shape);
    }

    /// @param logits [n, vocab], or [n, tokens()] where `output` computes those
    template <class Output>
    void operator()(std::size_t layer, matrix_view<const float> hidden, matrix_view<float> logits,
                    Output&& output) const {
        head_(layer, hidden, logits, std::forward<Output>(output));
    }

private:
    std::size_t tokens_;
    [[no_unique_address]] Head head_;
    shortlist_reach reach_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
