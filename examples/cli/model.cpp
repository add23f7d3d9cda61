// SPDX-License-Identifier: MIT
#include "model.hpp"

namespace cli {

model load(const std::string& folder, const weight_options& weights, const std::string& exits) {
    const auto format = [&](const std::string& name) {
        return name == "auto" ? eo::io::lossless_format(eo::io::hugging_face_checkpoint(folder)) : eo::any_format(name);
    };
    return eo::io::load<model::network_type>(
        folder, format(weights.dtype), format(weights.output_dtype.empty() ? weights.dtype : weights.output_dtype),
        exits);
}

}  // namespace cli
