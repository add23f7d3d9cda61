// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_HEAD_CATALOGUE_HPP
#define EARLYOUT_EXIT_HEAD_CATALOGUE_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/exit/any_head.hpp>
#include <earlyout/exit/exit_weights.hpp>
#include <earlyout/exit/heads/adapter_head.hpp>
#include <earlyout/exit/heads/own_head.hpp>
#include <earlyout/exit/heads/shared_head.hpp>
#include <earlyout/exit/heads/shortlist.hpp>
#include <earlyout/kernels/any_format.hpp>

#include <span>
#include <string_view>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// An exit head with a name.
struct head_entry {
    std::string_view name;    ///< "adapter"
    std::string_view brief;   ///< one line: what an exit's logits are
    std::string_view tensor;  ///< its fitted tensors are named TENSOR.LAYER...; empty: not fitted
    /// Makes a head, its weights packed in `format`. The exits may be null for a head that is not fitted.
    any_head (*make)(const exit_weights* exits, any_format format, shortlist_use use) = nullptr;
    bool uses_lm_head = true;  ///< applies the model's LM head last, so that it can have a shortlist
};

namespace detail {

/// Wraps the head in a shortlist if there is one.
template <class Head>
any_head with_shortlist(Head head, shortlist_use use) {
    if (use.tokens == 0) return head;
    return shortlist<Head>(use.tokens, std::move(head), use.reach);
}

}  // namespace detail

/// Returns every exit head that has a name.
[[nodiscard]] inline std::span<const head_entry> head_catalogue() noexcept {
    static constexpr head_entry entries[]{
        {"shared", "the model's own norm and output matrix", "",
         [](const exit_weights*, any_format, shortlist_use use) { return detail::with_shortlist(shared_head{}, use); }},
        {"adapter", "the model's own output of an adapted hidden state, fitted to the model", "adapter",
         [](const exit_weights* exits, any_format format, shortlist_use use) {
             return detail::with_shortlist(adapter_head<any_format>(*exits, format), use);
         }},
        {"own", "an output matrix of each exit's own, fitted to the model", "head",
         [](const exit_weights* exits, any_format format, shortlist_use use) -> any_head {
             if (use.tokens != 0) {
                 fail(errc::invalid_argument,
                      "head: expected one that applies the model's output matrix last, for a shortlist, found own");
             }
             return own_head<any_format>(*exits, format);
         },
         false},
    };
    return entries;
}

/// Returns the head of that name, or nullptr.
[[nodiscard]] inline const head_entry* find_head(std::string_view name) noexcept {
    for (const head_entry& entry : head_catalogue()) {
        if (entry.name == name) return &entry;
    }
    return nullptr;
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
