// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_SLOT_TABLE_HPP
#define EARLYOUT_EXAMPLES_SERVE_SLOT_TABLE_HPP

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "answer.hpp"

namespace serve {

/// The last request of each `id_slot` of /infill: some editors never close one that has become stale.
class slot_table {
public:
    /// Returns the turn of a request that arrives now.
    [[nodiscard]] std::uint64_t arrive() noexcept { return ++arrived_; }

    /// Sets the request of a slot and ends the older one: that which arrived first, even if it took longer to read. A
    /// request that generates nothing ends no other, and is only set where none runs.
    void replace(std::int64_t slot, std::uint64_t turn, const std::shared_ptr<answer>& asked, bool generates) {
        std::shared_ptr<answer> older;
        {
            const std::lock_guard lock(changing_);
            std::erase_if(running_, [](const auto& one) { return one.second.of.expired(); });
            running& current = running_[slot];
            older = current.of.lock();
            if (older && !generates) return;
            if (older && current.generates && current.turn > turn) {
                older = asked;
            } else {
                current = {asked, turn, generates};
            }
        }
        if (older) older->supersede();
    }

private:
    struct running {
        std::weak_ptr<answer> of;
        std::uint64_t turn = 0;
        bool generates = false;
    };

    std::atomic<std::uint64_t> arrived_{0};
    std::mutex changing_;
    std::map<std::int64_t, running> running_;
};

}  // namespace serve

#endif
