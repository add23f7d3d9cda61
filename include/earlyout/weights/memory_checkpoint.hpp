// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_WEIGHTS_MEMORY_CHECKPOINT_HPP
#define EARLYOUT_WEIGHTS_MEMORY_CHECKPOINT_HPP

#include <earlyout/weights/checkpoint.hpp>
#include <earlyout/weights/flat_config.hpp>

#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// A checkpoint that a program fills itself: for a small hand-written network or a test.
class memory_checkpoint final : public checkpoint {
public:
    using value = flat_config::value;

    explicit memory_checkpoint(std::string source = "memory") : config_(std::move(source)) {}

    /// Sets a configuration value.
    memory_checkpoint& set(std::string key, value v) {
        config_.set(std::move(key), std::move(v));
        return *this;
    }
    /// Adds a tensor of floats, row-major, replacing one of the same name.
    /// @throws error (wrong_shape) when the number of values is not the product of the extents
    memory_checkpoint& add(std::string name, std::vector<std::size_t> shape, std::vector<float> values) {
        entry e{std::move(values), {}};
        e.view = {name, dtype::f32, std::move(shape), std::as_bytes(std::span(e.values))};
        if (e.view.element_count() != e.values.size()) {
            fail(errc::wrong_shape, source(), ": tensor '", e.view.name, "': shape ", shape_to_string(e.view.shape),
                 " does not hold ", e.values.size(), " values");
        }
        tensors_.insert_or_assign(std::move(name), std::move(e));  // the bytes do not move
        return *this;
    }

    [[nodiscard]] std::string source() const override { return config_.source(); }
    [[nodiscard]] const flat_config& config() const noexcept override { return config_; }
    [[nodiscard]] const tensor_view* find(std::string_view name) const override {
        const auto found = tensors_.find(name);
        return found == tensors_.end() ? nullptr : &found->second.view;
    }

private:
    struct entry {
        std::vector<float> values;
        tensor_view view;
    };

    flat_config config_;
    std::map<std::string, entry, std::less<>> tensors_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
