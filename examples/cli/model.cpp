// SPDX-License-Identifier: MIT
#include "model.hpp"

namespace cli {

model load(const std::string& folder, const std::string& format) {
    return eo::io::load<model::network_type>(folder, eo::any_format(format));
}

}  // namespace cli
