// SPDX-License-Identifier: MIT
// What sidecar.hpp declares.
#ifndef EARLYOUT_IO_DETAIL_SIDECAR_INL_HPP
#define EARLYOUT_IO_DETAIL_SIDECAR_INL_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/exit/check_exits.hpp>
#include <earlyout/exit/exit_weights.hpp>
#include <earlyout/io/detail/json.hpp>
#include <earlyout/io/safetensors.hpp>
#include <earlyout/io/safetensors_writer.hpp>
#include <earlyout/io/sidecar.hpp>

#include <charconv>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

namespace detail {

inline constexpr const char* sidecar_format = "earlyout-exits";
inline constexpr const char* sidecar_version = "2";
inline constexpr const char* exit_layers_name = "exit_layers";

[[nodiscard]] inline const std::string& sidecar_text(const safetensors& from, std::string_view key) {
    const auto found = from.metadata().find(key);
    if (found == from.metadata().end()) {
        fail(errc::malformed_file, from.source(), ": '__metadata__': '", key, "' is missing");
    }
    return found->second;
}

[[nodiscard]] inline std::size_t sidecar_number(const safetensors& from, std::string_view key) {
    const std::string& text = sidecar_text(from, key);
    std::size_t number = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (problem != std::errc{} || end != text.data() + text.size()) {
        fail(errc::malformed_file, from.source(), ": '__metadata__': '", key, "': expected a whole number, found '",
             short_reason(text), "'");
    }
    return number;
}

inline void expect_text(const safetensors& from, std::string_view key, std::string_view expected) {
    const std::string& found = sidecar_text(from, key);
    if (found != expected) {
        fail(errc::unsupported, from.source(), ": '__metadata__': '", key, "': expected '", expected, "', found '",
             short_reason(found), "'");
    }
}

[[nodiscard]] inline std::vector<std::size_t> to_layers(std::span<const float> values, const std::string& source) {
    std::vector<std::size_t> layers;
    for (const float value : values) {
        if (!(value >= 1.0f && value <= 1e6f) || std::floor(value) != value) {
            fail(errc::wrong_value, source, ": tensor '", exit_layers_name, "': expected layers from 1, found ", value);
        }
        layers.push_back(static_cast<std::size_t>(value));
    }
    return layers;
}

}  // namespace detail

EARLYOUT_IO_INLINE exit_weights read_exits(const safetensors& from) {
    detail::expect_text(from, "format", detail::sidecar_format);
    detail::expect_text(from, "version", detail::sidecar_version);
    exit_weights made(from.source());
    made.set_model({detail::sidecar_number(from, "layers"), detail::sidecar_number(from, "d_model"),
                    detail::sidecar_number(from, "vocab"), detail::sidecar_text(from, "fingerprint"),
                    detail::sidecar_text(from, "weight_formats")});
    for (const auto& [name, view] : from.tensors()) {
        std::vector<float> values(view.element_count());
        to_floats(view, values, from.source());
        if (name == detail::exit_layers_name) {
            made.set_layers(detail::to_layers(values, from.source()));
        } else {
            made.set(name, view.shape, std::move(values));
        }
    }
    static constexpr std::string_view own[] = {"format", "version",     "layers",        "d_model",
                                               "vocab",  "fingerprint", "weight_formats"};
    for (const auto& [key, value] : from.metadata()) {
        if (std::ranges::find(own, key) == std::end(own)) made.set_metadata(key, value);
    }
    check_exits(made);
    return made;
}

EARLYOUT_IO_INLINE exit_weights read_exits(const std::filesystem::path& path) {
    return earlyout::detail::only_errors(platform::path_text(path),
                                         [&] { return read_exits(safetensors_file(path).contents()); });
}

EARLYOUT_IO_INLINE void write_exits(const std::filesystem::path& path, const exit_weights& exits) {
    check_exits(exits);
    std::vector<float> layers;
    for (const std::size_t layer : exits.layers()) layers.push_back(static_cast<float>(layer));
    std::vector<tensor_view> tensors{
        {detail::exit_layers_name, dtype::f32, {layers.size()}, std::as_bytes(std::span(layers))}};
    for (const auto& [name, tensor] : exits.tensors()) {
        tensors.push_back({name, dtype::f32, tensor.shape, std::as_bytes(std::span(tensor.values))});
    }
    safetensors::text_map metadata(exits.metadata().begin(), exits.metadata().end());
    metadata["format"] = detail::sidecar_format;
    metadata["version"] = detail::sidecar_version;
    metadata["layers"] = std::to_string(exits.model().layers);
    metadata["d_model"] = std::to_string(exits.model().d_model);
    metadata["vocab"] = std::to_string(exits.model().vocab);
    metadata["fingerprint"] = exits.model().fingerprint;
    metadata["weight_formats"] = exits.model().weight_formats;
    write_safetensors(path, tensors, metadata);
}

EARLYOUT_IO_INLINE bool fitted_with(const exit_weights& exits, std::string_view format) {
    std::string_view rest = exits.model().weight_formats;
    while (!rest.empty()) {
        std::size_t comma = std::min(rest.find(", "), rest.size());
        // "int4, output int8" is one format.
        if (rest.substr(comma).starts_with(", output ")) comma = std::min(rest.find(", ", comma + 2), rest.size());
        if (rest.substr(0, comma) == format) return true;
        rest.remove_prefix(std::min(comma + 2, rest.size()));
    }
    return false;
}

EARLYOUT_IO_INLINE void require_match(const exit_weights& exits, const fitted_model& model) {
    check_exits(exits);
    const auto check = [&](std::string_view what, const auto& expected, const auto& found) {
        if (expected != found) {
            fail(errc::mismatch, exits.source(), ": fitted to a model with ", what, " ", found, ", but this one has ",
                 expected, "; fit it again");
        }
    };
    const fitted_model& fitted = exits.model();
    check("number of layers", model.layers, fitted.layers);
    check("d_model", model.d_model, fitted.d_model);
    check("vocabulary size", model.vocab, fitted.vocab);
    check("weights of fingerprint", model.fingerprint, fitted.fingerprint);
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
