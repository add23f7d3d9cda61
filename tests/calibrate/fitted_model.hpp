// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_CALIBRATE_FITTED_MODEL_HPP
#define EARLYOUT_TESTS_CALIBRATE_FITTED_MODEL_HPP

#include <earlyout/calibrate/corpus.hpp>
#include <earlyout/core/error.hpp>
#include <earlyout/exit/check_exits.hpp>
#include <earlyout/exit/exit_weights.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "generate/fixtures.hpp"

namespace support {

/// small_network() as a model with text, to fit exits to.
class fitted_model {
public:
    struct words : toy_tokenizer {
        std::string decode(std::span<const eo::token_id> tokens) const { return text_of(tokens); }
    };

    [[nodiscard]] const eo::gpt2<>& network() const noexcept { return small_network(); }
    [[nodiscard]] const words& tokenizer() const noexcept { return words_; }
    [[nodiscard]] bool has_exits() const noexcept { return exits_.has_value(); }
    [[nodiscard]] const eo::exit_weights& exits() const {
        if (!exits_) eo::fail(eo::errc::no_such_file, "no exits");
        return *exits_;
    }
    void set_exits(eo::exit_weights exits) {
        eo::check_exits(exits);
        exits_ = std::move(exits);
    }

private:
    words words_;
    std::optional<eo::exit_weights> exits_;
};

/// The model as exits of small_network() name it.
inline eo::fitted_model fitted_to() { return {6, 20, 97, "0123456789abcdef", "f32"}; }

/// Random texts, some for each part.
inline std::vector<eo::calibrate::corpus_text> random_texts(std::size_t count, std::size_t tokens) {
    std::mt19937 engine(11);
    std::vector<eo::calibrate::corpus_text> texts;
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint64_t tenth = i % 10;
        texts.push_back({"text " + std::to_string(i), tenth << 32 | i, random_prompt(engine, tokens)});
    }
    return texts;
}

}  // namespace support

#endif
