// SPDX-License-Identifier: MIT
// Part of earlyout::kernels_compiled: attention over keys and values in every format.
#define EARLYOUT_DETAIL_COMPILE_KERNELS
#include <earlyout/kernels/attention.hpp>
