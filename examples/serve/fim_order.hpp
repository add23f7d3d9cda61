// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_FIM_ORDER_HPP
#define EARLYOUT_EXAMPLES_SERVE_FIM_ORDER_HPP

#include <earlyout/text/fill_in_the_middle.hpp>
#include <earlyout/text/tokenizer.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace serve {

namespace eo = earlyout;

/// In which order a fill-in-the-middle prompt has its parts; `typed` is the text on the cursor's line.
enum class fim_order {
    prefix_first,  ///< [PRE] prefix typed [SUF] suffix [MID]
    suffix_first,  ///< [SUF] suffix [PRE] prefix typed [MID]
    after_middle   ///< [PRE] prefix [SUF] suffix [MID] typed
};

/// What a known model was trained on, recognised by a token that it alone has.
struct known_order {
    std::string_view token;
    fim_order order;
    std::string_view model;
    std::string_view source;
};

/// Models of the same tokens were trained alike. StarCoder and CodeLlama also know [PRE] [SUF] suffix [MID] prefix,
/// another shape of suffix-first, which is not used here.
inline constexpr known_order known_orders[] = {
    {"[SUFFIX]", fim_order::suffix_first, "Codestral", "mistral-common, encode_fim"},
    {"<[fim-suffix]>", fim_order::suffix_first, "Seed-Coder", "its model card and technical report"},
    {"<|fim_suffix|>", fim_order::prefix_first, "Qwen2.5-Coder, CodeGemma", "arXiv 2409.12186, figure 3"},
    {"<fim_suffix>", fim_order::prefix_first, "StarCoder, StarCoder 2, SmolLM, Granite Code", "arXiv 2305.06161"},
    {"<fim-suffix>", fim_order::prefix_first, "SantaCoder", "its model card"},
    {" <SUF>", fim_order::prefix_first, "CodeLlama", "arXiv 2308.12950, section 2.3"},
    {"<\uff5cfim\u2581hole\uff5c>", fim_order::prefix_first, "DeepSeek Coder", "arXiv 2401.14196, section 3.1.2"},
    {"<mask_1>", fim_order::prefix_first, "CodeGen2", "its model card"}};

/// Returns the order of a setting: "prefix-first", "suffix-first", "after-middle", or "auto" for the model's.
/// @throws earlyout::error (invalid_argument) for another
[[nodiscard]] fim_order fim_order_of(std::string_view setting, const eo::text::tokenizer& words);

[[nodiscard]] std::string_view to_string(fim_order order) noexcept;

/// The tokens of a model that take part in its fill-in-the-middle prompts.
struct fim_tokens {
    std::optional<eo::text::fill_in_the_middle> middle;  ///< none: the model was not trained for it
    std::optional<eo::token_id> repository;              ///< precedes the name of a repository
    std::optional<eo::token_id> file;                    ///< precedes the name of each file
    std::string lacks;  ///< which of the tokens are absent, if `middle` is: "prefix, suffix and middle"

    [[nodiscard]] static fim_tokens of(const eo::text::tokenizer& words);
};

}  // namespace serve

#endif
