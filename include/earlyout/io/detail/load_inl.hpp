// SPDX-License-Identifier: MIT
// What load.hpp declares.
#ifndef EARLYOUT_IO_DETAIL_LOAD_INL_HPP
#define EARLYOUT_IO_DETAIL_LOAD_INL_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/io/detail/model_path.hpp>
#include <earlyout/io/load.hpp>

#include <filesystem>
#include <memory>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

EARLYOUT_IO_INLINE std::unique_ptr<stored_checkpoint> open_checkpoint(const std::filesystem::path& model,
                                                                      file_access access) {
    return earlyout::detail::only_errors(platform::path_text(model), [&]() -> std::unique_ptr<stored_checkpoint> {
        if (!detail::is_file(model)) return std::make_unique<hugging_face_checkpoint>(model, access);
        if (is_packed_file(model)) return std::make_unique<packed_checkpoint>(model, access);
        detail::refuse_part_of_model(model);
        return std::make_unique<gguf_checkpoint>(model, access);
    });
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
