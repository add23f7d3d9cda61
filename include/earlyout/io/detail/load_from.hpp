// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_DETAIL_LOAD_FROM_HPP
#define EARLYOUT_IO_DETAIL_LOAD_FROM_HPP

#include <earlyout/exit/exit_weights.hpp>
#include <earlyout/io/detail/model_path.hpp>
#include <earlyout/io/model_text.hpp>
#include <earlyout/io/pretrained.hpp>
#include <earlyout/io/sidecar.hpp>
#include <earlyout/io/stored_checkpoint.hpp>
#include <earlyout/io/weight_format.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io::detail {

/// Makes the network, with the tokenizer, settings and exits found beside it.
template <class Network>
[[nodiscard]] pretrained<Network> load_from(const stored_checkpoint& from, model_text text,
                                            typename Network::format format, typename Network::format output_format,
                                            const std::filesystem::path& exits_file) {
    Network network = Network::from_checkpoint(from, format, output_format);
    const auto& shape = network.shape();
    std::optional<exit_weights> exits;
    bool exits_fit = false;
    const std::filesystem::path path = exits_file.empty() ? sidecar_path(from.path()) : exits_file;
    if (!exits_file.empty() || detail::exists(path)) {
        exits = read_exits(path);
        const std::string computed = computed_format(from, network.weight_format());
        require_match(*exits, {shape.layers, shape.d_model, shape.vocab, from.fingerprint(), computed});
        exits_fit = fitted_with(*exits, computed);
    }
    return {from.source(),    std::move(network), std::move(text.tokenizer), std::move(text.generation),
            std::move(exits), exits_fit};
}

}  // namespace io::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
