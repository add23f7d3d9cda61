// SPDX-License-Identifier: MIT
#include "model.hpp"

namespace cli {

model load(const std::string& folder, const std::string& format) {
    const eo::any_format chosen =
        format == "auto" ? eo::io::lossless_format(eo::io::hugging_face_checkpoint(folder)) : eo::any_format(format);
    return eo::io::load<model::network_type>(folder, chosen);
}

}  // namespace cli
