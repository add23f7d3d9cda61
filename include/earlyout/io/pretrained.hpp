// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_PRETRAINED_HPP
#define EARLYOUT_IO_PRETRAINED_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/exit/exit_weights.hpp>
#include <earlyout/io/detail/model_path.hpp>
#include <earlyout/io/generation_config.hpp>
#include <earlyout/io/sidecar.hpp>
#include <earlyout/text/fill_in_the_middle.hpp>
#include <earlyout/text/tokenizer.hpp>

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// Returns the path of a model's fitted exits: `exits.safetensors` in its folder, `NAME.exits.safetensors` beside
/// NAME.gguf.
[[nodiscard]] inline std::filesystem::path sidecar_path(const std::filesystem::path& model) {
    if (!detail::is_file(model)) return model / sidecar_name;
    std::filesystem::path beside = model;
    return beside.replace_extension(std::string(".").append(sidecar_name));
}

/// A network with everything loaded from its folder or file. Immutable: any number of sessions, in any threads, run on
/// one of these. It may be moved while no session refers to it.
template <class Network>
class pretrained {
public:
    using network_type = Network;

    pretrained(std::string source, Network network, std::optional<text::tokenizer> tokenizer,
               generation_config generation, std::optional<exit_weights> exits, bool exits_fit = true)
        : source_(std::move(source)),
          network_(std::move(network)),
          has_tokenizer_(tokenizer.has_value()),
          tokenizer_(has_tokenizer_ ? *std::move(tokenizer) : text::tokenizer(without_tokenizer(source_))),
          generation_(std::move(generation)),
          exits_(std::move(exits)),
          exits_fit_(exits_fit) {}

    /// Returns the folder or file.
    [[nodiscard]] const std::string& source() const noexcept { return source_; }
    [[nodiscard]] const Network& network() const noexcept { return network_; }

    [[nodiscard]] bool has_tokenizer() const noexcept { return has_tokenizer_; }
    /// Returns the tokenizer, from `tokenizer.json` or the GGUF file. Without one, an empty one: sessions on ids run,
    /// texts are refused.
    [[nodiscard]] const text::tokenizer& tokenizer() const noexcept { return tokenizer_; }

    /// Returns a fill-in-the-middle prompt cut to `kept` tokens; nothing for any other prompt. See
    /// fill_in_the_middle::cut.
    [[nodiscard]] std::optional<std::vector<token_id>> cut_middle_prompt(std::span<const token_id> prompt,
                                                                         std::size_t start, std::size_t kept) const {
        const auto tokens = text::fill_in_the_middle::of(tokenizer_);
        return tokens ? tokens->cut(prompt, start, kept) : std::nullopt;
    }

    [[nodiscard]] const generation_config& generation() const noexcept { return generation_; }
    /// Returns the template of chats, the source of a Jinja program, if the model came with one.
    [[nodiscard]] const std::optional<std::string>& chat_template() const noexcept { return generation_.chat_template; }

    /// Returns true when there are exits that were fitted with the weight format the model was loaded in.
    [[nodiscard]] bool has_exits() const noexcept { return exits_.has_value() && exits_fit_; }
    /// Returns the exits, from `exits.safetensors`, see sidecar_path().
    /// @throws error (no_such_file) when there are none, (mismatch) when they were fitted with another weight
    /// format
    [[nodiscard]] const exit_weights& exits() const {
        if (!exits_) {
            fail(errc::no_such_file, sidecar_path(source_).string(), ": no exits were fitted to this model");
        }
        if (!exits_fit_) {
            fail(errc::mismatch, exits_->source(), ": fitted with weight formats ", exits_->model().weight_formats,
                 ", but the model was loaded in ", network_.weight_format(),
                 "; load it in one of those or fit it again");
        }
        return *exits_;
    }

    /// Uses these exits in place of the model's own. No session may refer to the model.
    /// @throws error (mismatch) when they were fitted to other sizes
    void set_exits(exit_weights exits) {
        const auto& shape = network_.shape();
        require_match(
            exits, {shape.layers, shape.d_model, shape.vocab, exits.model().fingerprint, exits.model().weight_formats});
        exits_ = std::move(exits);
        exits_fit_ = true;
    }

private:
    /// Returns the file that errors name when there is no tokenizer.
    [[nodiscard]] static std::string without_tokenizer(const std::filesystem::path& source) {
        return detail::is_file(source) ? source.string() : (source / "tokenizer.json").string();
    }

    std::string source_;
    Network network_;
    bool has_tokenizer_;
    text::tokenizer tokenizer_;
    generation_config generation_;
    std::optional<exit_weights> exits_;
    bool exits_fit_;
};

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
