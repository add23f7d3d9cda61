// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_DETAIL_LOAD_FROM_HPP
#define EARLYOUT_IO_DETAIL_LOAD_FROM_HPP

#include <earlyout/core/machine.hpp>
#include <earlyout/core/thread_pool.hpp>
#include <earlyout/exit/exit_weights.hpp>
#include <earlyout/io/detail/model_path.hpp>
#include <earlyout/io/load_options.hpp>
#include <earlyout/io/model_text.hpp>
#include <earlyout/io/pretrained.hpp>
#include <earlyout/io/sidecar.hpp>
#include <earlyout/io/stored_checkpoint.hpp>
#include <earlyout/io/weight_format.hpp>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io::detail {

/// Makes the network alone.
template <class Network>
[[nodiscard]] Network read_network(stored_checkpoint& from, typename Network::format format,
                                   typename Network::format output_format, const load_options& options) {
    std::optional<thread_pool> own;
    reading how{.on = options.on, .progress = options.progress};
    if (how.on == nullptr && !from.is_packed()) how.on = &own.emplace(std::min<std::size_t>(usable_processors(), 1024));
    from.for_each_stored([&](const tensor_view& tensor) { how.total += tensor.bytes.size(); });
    struct guard {
        stored_checkpoint& from;
        ~guard() { from.read_with(nullptr); }
    };
    const guard at_end{from};
    from.read_with(&how);
    Network made = Network::from_checkpoint(from, format, output_format);
    if (how.progress && how.done != how.total) how.progress(how.total, how.total);
    return made;
}

/// Makes the network, with the tokenizer, settings and exits found beside it.
template <class Network>
[[nodiscard]] pretrained<Network> load_from(stored_checkpoint& from, model_text text, typename Network::format format,
                                            typename Network::format output_format, const load_options& options) {
    Network network = read_network<Network>(from, format, output_format, options);
    const auto& shape = network.shape();
    std::optional<exit_weights> exits;
    bool exits_fit = false;
    const std::filesystem::path path = options.exits.empty() ? sidecar_path(from.path()) : options.exits;
    if (!options.exits.empty() || detail::exists(path)) {
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
