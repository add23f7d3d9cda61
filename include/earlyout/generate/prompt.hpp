// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_PROMPT_HPP
#define EARLYOUT_GENERATE_PROMPT_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/generate/model.hpp>
#include <earlyout/generate/options.hpp>
#include <earlyout/generate/sequence.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Returns the max positions of a session: the capacity that the options name, or the model's context. The KV cache is
/// allocated for all of them up front, so the default is at most 4096: some models declare contexts that would not fit
/// in memory.
/// @throws error (out_of_range) for more than the model's context
template <model Model>
[[nodiscard]] std::size_t resolved_capacity(const Model& model, const session_options& options) {
    const std::size_t context = network_of(model).shape().context;
    if (options.capacity > context) {
        fail(errc::out_of_range, "capacity: expected at most the model's context of ", context, " tokens, found ",
             options.capacity);
    }
    constexpr std::size_t max_by_default = 4096;
    return options.capacity == 0 ? std::min(context, max_by_default) : options.capacity;
}

/// Returns a prompt as it will run: every id valid, and one that is longer than the capacity cut if the options request
/// it.
/// @param cut storage of a prompt that is cut
/// @throws error (invalid_argument) for an empty prompt, (out_of_range) for an invalid id or too many
template <model Model>
[[nodiscard]] std::span<const token_id> prepare_prompt(const Model& model, std::span<const token_id> prompt,
                                                       std::size_t capacity, const generate_options& options,
                                                       std::vector<token_id>& cut) {
    const model_shape& shape = network_of(model).shape();
    if (prompt.empty()) fail(errc::invalid_argument, "prompt: expected at least one token, found none");
    for (const token_id id : prompt) {
        if (id < 0 || std::cmp_greater_equal(id, shape.vocab)) {
            fail(errc::out_of_range, "prompt: expected token ids 0 .. ", shape.vocab - 1, ", found ", id);
        }
    }
    if (prompt.size() <= capacity) return prompt;
    if (options.cut_prompt) {
        cut = cut_prompt(model, prompt, kept_of_long_prompt(capacity, options));
        return cut;
    }
    fail(errc::out_of_range, "prompt: expected at most ", capacity, " tokens, found ", prompt.size(),
         "; set cut_prompt to drop its start", capacity < shape.context ? ", or a larger capacity" : "");
}

/// Returns how many experts a completion's tokens choose, in the model's mixtures: as many as its options say, or else
/// its policy; 0: the model's own number.
template <class Policy>
[[nodiscard]] std::size_t active_experts_of(const Policy& policy, const generate_options& options) noexcept {
    return options.active_experts != 0 ? options.active_experts : policy.active_experts;
}

/// Returns how many tokens of a prompt a sequence holds exactly as the full model would: they need not run again.
[[nodiscard]] inline std::size_t reusable_prefix(const sequence& held, std::span<const token_id> prompt) noexcept {
    const auto common = std::ranges::mismatch(held.ids(), prompt).in1 - held.ids().begin();
    return std::min({static_cast<std::size_t>(common), held.exact_prefix(), prompt.size() - 1});
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
