// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_MODEL_HPP
#define EARLYOUT_EXAMPLES_CLI_MODEL_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/io/load.hpp>
#include <earlyout/models/any_model.hpp>

#include <string>

#include "options.hpp"

namespace cli {

/// What the command runs: a checkpoint of any architecture that the library has, in the weight format chosen.
using model = eo::io::pretrained<eo::any_model>;

/// Formats of the layers' matrices and of the output matrix.
struct weight_formats {
    eo::any_format layers;
    eo::any_format output;
};
/// @throws earlyout::error for a format that does not exist, or a model that cannot be opened
[[nodiscard]] weight_formats formats_of(const std::string& folder, const weight_options& weights);

/// @param exits a file to take the exits from, in place of the folder's; empty: the folder's
[[nodiscard]] model load(const model_options& from, const weight_options& weights = {}, const std::string& exits = {});

/// The model's tokenizer.
/// @throws earlyout::error (no_such_file) when it came without
[[nodiscard]] inline const auto& tokenizer_of(const model& m, const std::string& folder) {
    if (!m.has_tokenizer()) {
        eo::fail(eo::errc::no_such_file, folder,
                 ": text needs a tokenizer (in a folder tokenizer.json, or vocab.json and merges.txt), and this model "
                 "has none");
    }
    return m.tokenizer();
}

}  // namespace cli

#endif
