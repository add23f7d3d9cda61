// SPDX-License-Identifier: MIT
// Every architecture behind any_model, for programs that link it.
#define EARLYOUT_DETAIL_COMPILE_MODELS
#include <earlyout/models/any_model.hpp>
