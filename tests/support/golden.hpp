// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_SUPPORT_GOLDEN_HPP
#define EARLYOUT_TESTS_SUPPORT_GOLDEN_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/io/hugging_face_checkpoint.hpp>
#include <earlyout/io/safetensors.hpp>
#include <earlyout/text/json.hpp>
#include <earlyout/weights/memory_checkpoint.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace support {

/// The folders of data/gpt2.
inline const std::vector<std::string>& golden_models() {
    static const std::vector<std::string> names{"tiny",         "odd_untied", "one_head_f16",
                                                "sharded_bf16", "wide_relu",  "odd_head_dim"};
    return names;
}

/// The folders of data/families.
inline std::vector<std::string> golden_families() {
    std::vector<std::string> names;
    for (const auto& entry :
         std::filesystem::directory_iterator(std::filesystem::path(EARLYOUT_TEST_DATA) / "families")) {
        if (entry.is_directory()) names.push_back(entry.path().filename().string());
    }
    std::ranges::sort(names);
    return names;
}

/// Of data/gpt2 or data/families.
inline std::filesystem::path golden_folder(const std::string& name) {
    const std::filesystem::path data(EARLYOUT_TEST_DATA);
    return std::filesystem::exists(data / "families" / name) ? data / "families" / name : data / "gpt2" / name;
}

/// What the reference computed for one token sequence.
class golden {
public:
    explicit golden(const std::string& name) {
        const earlyout::io::safetensors_file file(golden_folder(name) / "golden.safetensors");
        const auto read = [&](std::string_view tensor, std::vector<float>& into) {
            const earlyout::tensor_view& view = *file.contents().find(tensor);
            into.resize(view.element_count());
            earlyout::to_floats(view, into, file.path());
            return view.shape;
        };
        std::vector<float> numbers;
        (void)read("ids", numbers);
        for (const float number : numbers) ids.push_back(static_cast<earlyout::token_id>(number));
        d_model_ = read("hidden", hidden_)[2];
        const auto shape = read("logits", logits_);
        layers = shape[0];
        vocab_ = shape[2];
    }

    /// The residual stream after a layer, numbered from 1.
    std::span<const float> hidden(std::size_t layer, std::size_t position) const {
        return std::span(hidden_).subspan(((layer - 1) * ids.size() + position) * d_model_, d_model_);
    }
    /// The logits of an exit after a layer.
    std::span<const float> logits(std::size_t layer, std::size_t position) const {
        return std::span(logits_).subspan(((layer - 1) * ids.size() + position) * vocab_, vocab_);
    }

    std::vector<earlyout::token_id> ids;
    std::size_t layers = 0;

private:
    std::vector<float> hidden_;
    std::vector<float> logits_;
    std::size_t d_model_ = 0;
    std::size_t vocab_ = 0;
};

/// Returns a golden model in memory, where a test can change it.
/// @param old_prefix, new_prefix names that begin with the first get the second instead
inline earlyout::memory_checkpoint editable_copy(const std::string& name, std::string_view old_prefix = "",
                                                 std::string_view new_prefix = "") {
    const earlyout::io::hugging_face_checkpoint from(golden_folder(name));
    earlyout::memory_checkpoint made(name);
    const auto set_all = [&](const auto& self, const nlohmann::json& object, const std::string& path) -> void {
        for (const auto& [name_of, value] : object.items()) {
            const std::string key = path + name_of;
            if (value.is_boolean()) made.set(key, value.template get<bool>());
            if (value.is_null()) made.set(key, nullptr);
            if (value.is_string()) made.set(key, value.template get<std::string>());
            if (value.is_number_integer()) made.set(key, value.template get<std::int64_t>());
            if (value.is_number_float()) made.set(key, value.template get<double>());
            if (value.is_structured()) self(self, value, key + ".");
        }
    };
    set_all(set_all, from.config().object().value, "");
    from.for_each_tensor([&](const earlyout::tensor_view& tensor) {
        std::vector<float> values(tensor.element_count());
        earlyout::to_floats(tensor, values, from.source());
        std::string stored = tensor.name;
        if (stored.starts_with(old_prefix)) stored.replace(0, old_prefix.size(), new_prefix);
        made.add(stored, tensor.shape, std::move(values));
    });
    return made;
}

/// Calls visit(tensor) for each tensor of a golden model.
template <class Visit>
void golden_tensors(const std::string& name, Visit visit) {
    earlyout::io::hugging_face_checkpoint(golden_folder(name)).for_each_tensor(visit);
}

/// Returns one of its tensors as numbers.
inline std::vector<float> values_of(const earlyout::checkpoint& from, std::string_view name) {
    const earlyout::tensor_view& tensor = *from.find(name);
    std::vector<float> values(tensor.element_count());
    earlyout::to_floats(tensor, values, from.source());
    return values;
}

}  // namespace support

#endif
