// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_STORED_CHECKPOINT_HPP
#define EARLYOUT_IO_STORED_CHECKPOINT_HPP

#include <earlyout/core/function_ref.hpp>
#include <earlyout/io/fingerprint.hpp>
#include <earlyout/weights/checkpoint.hpp>

#include <filesystem>
#include <string>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// A checkpoint stored in a folder or file.
class stored_checkpoint : public checkpoint {
public:
    /// Returns the folder or file.
    [[nodiscard]] virtual const std::filesystem::path& path() const noexcept = 0;

    /// Calls `visit(view)` with each readable tensor, by name: names and bytes as stored.
    virtual void for_each_tensor(function_ref<void(const tensor_view&)> visit) const = 0;

    /// Calls `visit(view)` with the same as its file has it, which takes no time: what for_each_tensor() makes of parts
    /// is one tensor here, and of codes whose scales are elsewhere the bytes are the codes alone.
    virtual void for_each_stored(function_ref<void(const tensor_view&)> visit) const { for_each_tensor(visit); }

    /// Returns true if matrices are stored in blocks, which any_format::as_stored() keeps.
    [[nodiscard]] bool has_blocks() const {
        bool found = false;
        for_each_stored([&](const tensor_view& tensor) { found = found || block_elements(tensor.type) != 1; });
        return found;
    }

    /// Returns the name of the smallest weight format that holds every stored matrix exactly, and so computes the same
    /// bits as f32: bf16 for a checkpoint stored in bfloat16 and MXFP4, f16 for one in binary16, else f32. Norms and
    /// biases are f32 in any.
    [[nodiscard]] virtual std::string lossless_format() const {
        bool all_bf16 = true;
        bool all_f16 = true;
        for_each_stored([&](const tensor_view& tensor) {
            if (tensor.shape.size() < 2) return;
            all_bf16 = all_bf16 && (tensor.type == dtype::bf16 || tensor.type == dtype::mxfp4);
            all_f16 = all_f16 && tensor.type == dtype::f16;
        });
        return all_bf16 ? "bf16" : all_f16 ? "f16" : "f32";
    }

    /// Returns the fingerprint of all readable tensors. Reads every byte of them.
    [[nodiscard]] virtual std::string fingerprint() const {
        io::fingerprint made;
        for_each_tensor([&](const tensor_view& tensor) { made.add(tensor); });
        return made.text();
    }

    [[nodiscard]] std::string source() const override { return path().string(); }

protected:
    stored_checkpoint() = default;
    stored_checkpoint(stored_checkpoint&&) = default;
    stored_checkpoint& operator=(stored_checkpoint&&) = default;
};

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
