// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_WEIGHTS_CHECKPOINT_RECORD_HPP
#define EARLYOUT_WEIGHTS_CHECKPOINT_RECORD_HPP

#include <earlyout/core/config.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// What a network read from its checkpoint: all that another checkpoint must have for the same network.
class checkpoint_record {
public:
    /// A configuration value by its type, or a tensor.
    enum class kind : std::uint8_t { integer, real, boolean, text, null, tensor };
    struct entry {
        std::string name;
        kind read_as = kind::tensor;
    };

    /// Records an entry that was found.
    void add(std::string_view name, kind read_as) {
        if (!entries_.empty() && entries_.back().read_as == read_as && entries_.back().name == name) return;
        entries_.push_back({std::string(name), read_as});
    }
    /// Returns all that was read, in order; repeated reads may appear repeatedly.
    [[nodiscard]] const std::vector<entry>& entries() const noexcept { return entries_; }

private:
    std::vector<entry> entries_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
