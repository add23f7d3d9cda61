// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_SLOT_TABLE_HPP
#define EARLYOUT_EXAMPLES_SERVE_SLOT_TABLE_HPP

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "answer.hpp"

namespace serve {

/// The last request of each `id_slot` of /infill: some editors never close one that has become stale.
class slot_table {
public:
    /// Sets the request of a slot and ends the older one. A request that generates nothing ends no other, and is only
    /// set where none runs.
    void replace(std::int64_t slot, const std::shared_ptr<answer>& newer, bool generates) {
        std::shared_ptr<answer> older;
        {
            const std::lock_guard lock(changing_);
            std::erase_if(running_, [](const auto& one) { return one.second.expired(); });
            std::weak_ptr<answer>& current = running_[slot];
            older = current.lock();
            if (older && !generates) return;
            current = newer;
        }
        if (older) older->supersede();
    }

private:
    std::mutex changing_;
    std::map<std::int64_t, std::weak_ptr<answer>> running_;
};

}  // namespace serve

#endif
