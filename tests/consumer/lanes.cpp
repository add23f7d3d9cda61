// SPDX-License-Identifier: MIT
#include "lanes.hpp"

#include <earlyout/kernels/simd.hpp>

std::size_t EARLYOUT_VARIANT::lanes() { return earlyout::kernels::lanes<earlyout::default_arch>; }
