// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_CALIBRATE_MEMORY_RESULTS_HPP
#define EARLYOUT_TESTS_CALIBRATE_MEMORY_RESULTS_HPP

#include <earlyout/calibrate/kept_results.hpp>

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace support {

/// Keeps results in memory, for several threads, and counts.
class memory_results final : public earlyout::calibrate::kept_results {
public:
    [[nodiscard]] std::optional<std::vector<std::byte>> find(const std::string& name) override {
        const std::scoped_lock lock(mutex_);
        const auto at = held_.find(name);
        if (at == held_.end()) return std::nullopt;
        ++found;
        return at->second;
    }
    void keep(const std::string& name, std::span<const std::byte> bytes) override {
        const std::scoped_lock lock(mutex_);
        ++kept;
        held_[name] = {bytes.begin(), bytes.end()};
    }
    [[nodiscard]] std::size_t size() const noexcept { return held_.size(); }

    std::size_t found = 0;
    std::size_t kept = 0;

private:
    std::mutex mutex_;
    std::map<std::string, std::vector<std::byte>> held_;
};

}  // namespace support

#endif
