// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_LOAD_OPTIONS_HPP
#define EARLYOUT_IO_LOAD_OPTIONS_HPP

#include <earlyout/core/executor.hpp>
#include <earlyout/io/mapped_file.hpp>

#include <cstddef>
#include <filesystem>
#include <functional>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// How a model is loaded.
struct load_options {
    std::filesystem::path exits{};  ///< fitted exits to use in place of the model's; empty: the model's, if any
    /// mapped: a packed file's matrices are used in place, and it must not be overwritten while the model lives
    /// (replacing it by rename is safe); copied: they are read into memory
    file_access access = file_access::mapped;
    executor* on = nullptr;  ///< converts weights; null: one thread for each processor, which end with the loading
    /// Called on the loading thread as bytes of weights have been read, with their number and that of the model's
    /// tensors; last with both equal. What it throws ends the loading and reaches the caller as it is.
    std::function<void(std::size_t done, std::size_t total)> progress{};
};

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
