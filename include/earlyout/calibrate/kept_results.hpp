// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_KEPT_RESULTS_HPP
#define EARLYOUT_CALIBRATE_KEPT_RESULTS_HPP

#include <earlyout/calibrate/bytes.hpp>
#include <earlyout/calibrate/monitor.hpp>
#include <earlyout/calibrate/workers.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// Results of the finished parts of a long calculation, by name: one that was interrupted goes on from there. Where
/// they are kept is the program's business. They are of one program, model, options and texts, which the program
/// checks.
class kept_results {
public:
    kept_results() = default;
    kept_results(const kept_results&) = delete;
    kept_results& operator=(const kept_results&) = delete;
    virtual ~kept_results() = default;

    /// Returns the bytes of a result that was kept.
    /// @throws error where they cannot be read
    [[nodiscard]] virtual std::optional<std::vector<std::byte>> find(const std::string& name) = 0;
    /// Keeps a result.
    /// @throws error where that fails
    virtual void keep(const std::string& name, std::span<const std::byte> bytes) = 0;
};

/// Returns this process's own result of that name, which was kept, or computes and keeps it. What is computed when the
/// calculation is cancelled is not kept.
template <class Compute>
[[nodiscard]] auto kept_or_computed(const monitor& watch, const std::string& name, Compute compute) {
    using result = decltype(compute());
    if (watch.kept == nullptr) return compute();
    if (const auto bytes = watch.kept->find(name)) return from_bytes<result>(*bytes);
    result made = compute();
    if (!watch.is_cancelled()) watch.kept->keep(name, to_bytes(made));
    return made;
}

/// The same for a result that all processes that share the work have alike: the first looks it up and keeps it.
template <class Compute>
[[nodiscard]] auto shared_or_computed(const monitor& watch, const std::string& name, Compute compute) {
    using result = decltype(compute());
    if (watch.kept == nullptr) return compute();
    const bool is_first = watch.among == nullptr || watch.among->rank() == 0;
    std::vector<std::byte> bytes;
    std::uint8_t is_kept = 0;
    if (is_first) {
        if (auto found = watch.kept->find(name)) {
            bytes = *std::move(found);
            is_kept = 1;
        }
    }
    if (shared_result(watch.among, 0, is_kept) != 0) {
        return from_bytes<result>(shared_result(watch.among, 0, std::move(bytes)));
    }
    result made = compute();
    if (is_first && !watch.is_cancelled()) watch.kept->keep(name, to_bytes(made));
    return made;
}

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
