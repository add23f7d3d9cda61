// SPDX-License-Identifier: MIT
// Part of earlyout::kernels_compiled: products with weights in every format.
#define EARLYOUT_DETAIL_COMPILE_KERNELS
#include <earlyout/kernels/multiply_groups.hpp>
