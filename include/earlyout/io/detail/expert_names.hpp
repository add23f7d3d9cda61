// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_DETAIL_EXPERT_NAMES_HPP
#define EARLYOUT_IO_DETAIL_EXPERT_NAMES_HPP

#include <earlyout/core/config.hpp>

#include <charconv>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io::detail {

inline constexpr std::string_view experts_part = ".experts.";

/// One expert's matrix among those of all.
struct stacked_expert {
    std::string name;  ///< of the matrix of all experts, at Hugging Face without a number
    std::size_t expert = 0;
};
/// Returns what "model.layers.0.mlp.experts.3.up_proj.weight" is part of; nothing for a name of another kind.
[[nodiscard]] inline std::optional<stacked_expert> find_stacked_expert(std::string_view name) {
    const std::size_t at = name.find(experts_part);
    if (at == name.npos) return std::nullopt;
    const std::size_t digits = at + experts_part.size(), end = name.find('.', digits);
    if (end == name.npos) return std::nullopt;
    stacked_expert made;
    const auto [next, problem] = std::from_chars(name.data() + digits, name.data() + end, made.expert);
    if (problem != std::errc{} || next != name.data() + end) return std::nullopt;
    made.name.append(name.substr(0, digits)).append(name.substr(end + 1));
    return made;
}

}  // namespace io::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
