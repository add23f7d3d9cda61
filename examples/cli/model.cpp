// SPDX-License-Identifier: MIT
#include "model.hpp"

namespace cli {

model load(const std::string& folder) { return eo::io::load<eo::gpt2<>>(folder); }

}  // namespace cli
