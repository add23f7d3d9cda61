// SPDX-License-Identifier: MIT
#include "model.hpp"

namespace cli {

model load(const std::string& folder, const weight_options& weights, const std::string& exits) {
    const auto format = [&](const std::string& name) {
        if (name != "auto") return eo::any_format(name);
        if (eo::io::detail::is_file(folder)) return eo::any_format::as_stored();
        return eo::io::lossless_format(*eo::io::open_checkpoint(folder));
    };
    return eo::io::load<model::network_type>(
        folder, format(weights.dtype), format(weights.output_dtype.empty() ? weights.dtype : weights.output_dtype),
        exits);
}

}  // namespace cli
