// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_HUGGING_FACE_HPP
#define EARLYOUT_IO_HUGGING_FACE_HPP

// Loading, as it was called when a folder was all that could be loaded.
#include <earlyout/io/load.hpp>

#endif
