// SPDX-License-Identifier: MIT
#include <earlyout/io/safetensors.hpp>
#include <earlyout/models/any_model.hpp>

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/forward_pass.hpp"
#include "support/golden.hpp"
#include "support/golden_pass.hpp"

namespace eo = earlyout;

namespace {

std::vector<float> read(const eo::io::safetensors& from, const char* name) {
    const eo::tensor_view& view = *from.find(name);
    std::vector<float> values(view.element_count());
    eo::to_floats(view, values, from.source());
    return values;
}

}  // namespace

TEST_CASE("positions far beyond a window or the original context match PyTorch", "[models]") {
    std::size_t found = 0;
    for (const std::string& name : support::golden_families()) {
        const std::filesystem::path path = support::golden_folder(name) / "golden_long.safetensors";
        if (!std::filesystem::exists(path)) continue;
        INFO(name);
        ++found;
        const eo::io::safetensors_file file(path);
        std::vector<eo::token_id> ids;
        for (const float id : read(file.contents(), "ids")) ids.push_back(static_cast<eo::token_id>(id));
        const std::vector<float> positions = read(file.contents(), "positions");
        const std::vector<float> hidden = read(file.contents(), "hidden"), logits = read(file.contents(), "logits");
        const auto model =
            eo::any_model::from_checkpoint(eo::io::hugging_face_checkpoint(support::golden_folder(name)));
        const std::size_t d = model.shape().d_model, vocab = model.shape().vocab;
        support::forward_pass pass(model, ids, 64);
        for (std::size_t layer = 1; layer <= model.shape().layers; ++layer) {
            pass.run(layer, layer, 0, ids.size());
            for (std::size_t i = 0; i < positions.size(); ++i) {
                const auto position = static_cast<std::size_t>(positions[i]);
                const std::size_t row = (layer - 1) * positions.size() + i;
                CHECK(support::largest_difference(pass.hidden(position), std::span(hidden).subspan(row * d, d)) <
                      1e-4f);
                CHECK(support::largest_difference(pass.logits(position),
                                                  std::span(logits).subspan(row * vocab, vocab)) < 1e-4f);
            }
        }
    }
    CHECK(found >= 5);
}
