// SPDX-License-Identifier: MIT
#include "model.hpp"

namespace cli {

weight_formats formats_of(const std::string& folder, const weight_options& weights) {
    const auto format = [&](const std::string& name) {
        if (name != "auto") return eo::any_format(name);
        if (std::filesystem::is_regular_file(folder)) return eo::any_format::as_stored();
        return eo::io::lossless_format(*eo::io::open_checkpoint(folder));
    };
    return {format(weights.dtype), format(weights.output_dtype.empty() ? weights.dtype : weights.output_dtype)};
}

model load(const model_options& from, const weight_options& weights, const std::string& exits) {
    const weight_formats formats = formats_of(from.folder, weights);
    return eo::io::load<model::network_type>(from.folder, formats.layers, formats.output, exits,
                                             from.no_mmap ? eo::io::file_access::copied : eo::io::file_access::mapped);
}

}  // namespace cli
