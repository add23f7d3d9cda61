// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_HUGGING_FACE_HPP
#define EARLYOUT_IO_HUGGING_FACE_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/exit/exit_weights.hpp>
#include <earlyout/io/generation_config.hpp>
#include <earlyout/io/hugging_face_checkpoint.hpp>
#include <earlyout/io/sidecar.hpp>
#include <earlyout/io/tokenizer.hpp>
#include <earlyout/kernels/any_format.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace earlyout::inline EARLYOUT_ABI {
namespace io {

/// The smallest weight format that holds every stored weight exactly, and so computes the same bits as f32: bf16 for a
/// checkpoint stored in bfloat16, f16 for one in binary16, else f32.
[[nodiscard]] inline any_format lossless_format(const hugging_face_checkpoint& from) {
    bool all_bf16 = true;
    bool all_f16 = true;
    from.for_each_tensor([&](const tensor_view& tensor) {
        all_bf16 = all_bf16 && tensor.type == dtype::bf16;
        all_f16 = all_f16 && tensor.type == dtype::f16;
    });
    return all_bf16 ? any_format(bf16{}) : all_f16 ? any_format(f16{}) : any_format(f32{});
}

/// The weight format that exits name which were fitted to this checkpoint in that one: a format without loss counts
/// as f32.
[[nodiscard]] inline std::string computed_format(const hugging_face_checkpoint& from, std::string_view format) {
    return std::string(format == lossless_format(from).name() ? f32::name : format);
}

/// A network with all that came with it in its folder. Immutable: any number of sessions, in any threads,
/// run on one of these. It may be moved while no session refers to it.
template <class Network>
class pretrained {
public:
    using network_type = Network;

    pretrained(std::string source, Network network, std::optional<io::tokenizer> tokenizer,
               generation_config generation, std::optional<exit_weights> exits, bool exits_fit = true)
        : source_(std::move(source)),
          network_(std::move(network)),
          has_tokenizer_(tokenizer.has_value()),
          tokenizer_(has_tokenizer_ ? *std::move(tokenizer)
                                    : io::tokenizer((std::filesystem::path(source_) / "tokenizer.json").string())),
          generation_(std::move(generation)),
          exits_(std::move(exits)),
          exits_fit_(exits_fit) {}

    /// The folder.
    [[nodiscard]] const std::string& source() const noexcept { return source_; }
    [[nodiscard]] const Network& network() const noexcept { return network_; }

    [[nodiscard]] bool has_tokenizer() const noexcept { return has_tokenizer_; }
    /// From `tokenizer.json`. Without that file, one that knows no token: sessions on ids run, texts are refused.
    [[nodiscard]] const io::tokenizer& tokenizer() const noexcept { return tokenizer_; }

    [[nodiscard]] const generation_config& generation() const noexcept { return generation_; }

    /// True when there are exits that were fitted with the weight format the model was loaded in.
    [[nodiscard]] bool has_exits() const noexcept { return exits_.has_value() && exits_fit_; }
    /// From `exits.safetensors`.
    /// @throws error (no_such_file) when the folder has none, (mismatch) when they were fitted with another weight
    /// format
    [[nodiscard]] const exit_weights& exits() const {
        if (!exits_) {
            fail(errc::no_such_file, (std::filesystem::path(source_) / sidecar_name).string(),
                 ": no exits were fitted to this model");
        }
        if (!exits_fit_) {
            fail(errc::mismatch, exits_->source(), ": fitted with weight formats ", exits_->model().weight_formats,
                 ", but the model was loaded in ", network_.weight_format(),
                 "; load it in one of those or fit it again");
        }
        return *exits_;
    }

    /// Uses these exits in place of what came with the model. Not while a session refers to it.
    /// @throws error (mismatch) when they were fitted to other sizes
    void set_exits(exit_weights exits) {
        const auto& shape = network_.shape();
        require_match(
            exits, {shape.layers, shape.d_model, shape.vocab, exits.model().fingerprint, exits.model().weight_formats});
        exits.check();
        exits_ = std::move(exits);
        exits_fit_ = true;
    }

private:
    std::string source_;
    Network network_;
    bool has_tokenizer_;
    io::tokenizer tokenizer_;
    generation_config generation_;
    std::optional<exit_weights> exits_;
    bool exits_fit_;
};

/// Loads a Hugging Face folder: weights and configuration, and where they are there, tokenizer, generation
/// defaults and fitted exits.
/// @tparam Network an architecture, such as gpt2<> or gpt2<bf16>
/// @param format   of the weights, where the network leaves that to the run time: any_format("int8")
/// @param output_format of the output matrix, where it is to differ
/// @param exits_file fitted exits to take in place of the folder's; empty: the folder's, where there are any
/// @throws error; the message names file, thing, what was expected and what was found
template <class Network>
[[nodiscard]] pretrained<Network> load(const std::filesystem::path& folder, typename Network::format format,
                                       typename Network::format output_format,
                                       const std::filesystem::path& exits_file = {}) {
    const hugging_face_checkpoint from(folder);
    generation_config generation = read_generation_config(from);
    std::optional<tokenizer> words;
    if (const auto path = folder / "tokenizer.json"; detail::exists(path)) words = tokenizer::from_file(path);
    Network network = Network::from_checkpoint(from, format, output_format);
    const auto& shape = network.shape();
    std::optional<exit_weights> exits;
    bool exits_fit = false;
    const std::filesystem::path path = exits_file.empty() ? folder / sidecar_name : exits_file;
    if (!exits_file.empty() || detail::exists(path)) {
        exits = read_exits(path);
        const std::string computed = computed_format(from, network.weight_format());
        require_match(*exits, {shape.layers, shape.d_model, shape.vocab, from.fingerprint(), computed});
        exits_fit = fitted_with(*exits, computed);
    }
    return {folder.string(), std::move(network), std::move(words), std::move(generation), std::move(exits), exits_fit};
}
template <class Network>
[[nodiscard]] pretrained<Network> load(const std::filesystem::path& folder, typename Network::format format = {}) {
    return load<Network>(folder, format, format);
}

}  // namespace io
}  // namespace earlyout::inline EARLYOUT_ABI

#endif
