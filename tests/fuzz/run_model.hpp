// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_FUZZ_RUN_MODEL_HPP
#define EARLYOUT_TESTS_FUZZ_RUN_MODEL_HPP

#include <earlyout/kernels/any_format.hpp>
#include <earlyout/weights/checkpoint.hpp>

#include <filesystem>

// Networks of every architecture take a minute to compile: once for all fuzz targets.
namespace fuzz {

/// Reads a network, embeds every token, and runs a few through all layers: exercises the memory that a file's sizes and
/// weights lead to.
/// @throws earlyout::error when it cannot be read
void run(const earlyout::checkpoint& from, earlyout::any_format format = {});

/// The same for a file, its weights as they are stored. A tokenizer, if it has one, splits a text.
void run(const std::filesystem::path& file);

}  // namespace fuzz

#endif
