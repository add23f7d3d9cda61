// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_PREFIX_STORE_HPP
#define EARLYOUT_GENERATE_PREFIX_STORE_HPP

#include <earlyout/core/shape.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/generate/sequence.hpp>
#include <earlyout/generate/sequence_snapshot.hpp>
#include <earlyout/nn/kv_pool.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Sequences that have ended, kept for prompts that begin as they do. They share pages with each other and with running
/// sequences; the least recently used one goes first.
class prefix_store {
public:
    static constexpr std::size_t max_snapshots = 256;

    /// The snapshot with the most tokens that a prompt can begin with.
    struct match {
        const sequence_snapshot* snapshot = nullptr;
        std::size_t size = 0;  ///< how many; at least one of the prompt's is not among them
    };

    /// @param pool that of the sequences
    explicit prefix_store(std::shared_ptr<kv_pool> pool) : pool_(std::move(pool)) {}

    [[nodiscard]] std::size_t size() const noexcept { return held_.size(); }
    /// @param active_experts that the prompt's tokens choose, as sequence::active_experts() has it
    [[nodiscard]] match longest(std::span<const token_id> prompt, std::size_t active_experts = 0) const noexcept {
        match best;
        for (const entry& e : held_) {
            if (e.snapshot->active_experts() != active_experts) continue;
            const auto common = std::ranges::mismatch(e.snapshot->ids(), prompt).in1 - e.snapshot->ids().begin();
            const std::size_t size = std::min({static_cast<std::size_t>(common), e.snapshot->exact_prefix(),
                                               std::max<std::size_t>(prompt.size(), 1) - 1});
            if (size > best.size) best = {e.snapshot.get(), size};
        }
        return best;
    }
    /// Records that a snapshot was of use.
    void touch(const sequence_snapshot* used) noexcept {
        const auto found = std::ranges::find(held_, used, [](const entry& e) { return e.snapshot.get(); });
        if (found != held_.end()) found->last_use = ++now_;
    }
    /// Keeps the exact part of a sequence, in place of what it continues.
    void keep(const model_shape& shape, const sequence& ended) {
        const std::size_t size = ended.exact_prefix();
        const auto ids = ended.ids().first(size);
        if (ids.empty()) return;
        const auto is_prefix = [](std::span<const token_id> a, std::span<const token_id> b) {
            return a.size() <= b.size() && std::ranges::equal(a, b.first(a.size()));
        };
        const auto is_like = [&](const entry& e) { return e.snapshot->active_experts() == ended.active_experts(); };
        for (entry& e : held_) {
            if (!is_like(e) || !is_prefix(ids, e.snapshot->ids().first(e.snapshot->exact_prefix()))) continue;
            e.last_use = ++now_;
            return;
        }
        std::erase_if(held_, [&](const entry& e) { return is_like(e) && is_prefix(e.snapshot->ids(), ids); });
        if (held_.size() == max_snapshots) (void)drop_oldest();
        held_.push_back({std::make_unique<sequence_snapshot>(shape, ended, size, pool_), ++now_});
    }
    /// Drops the least recently used snapshot, except one.
    /// @return false when there is no other
    bool drop_oldest(const sequence_snapshot* except = nullptr) noexcept {
        auto oldest = held_.end();
        for (auto e = held_.begin(); e != held_.end(); ++e) {
            if (e->snapshot.get() == except) continue;
            if (oldest == held_.end() || e->last_use < oldest->last_use) oldest = e;
        }
        if (oldest == held_.end()) return false;
        held_.erase(oldest);
        return true;
    }

private:
    struct entry {
        std::unique_ptr<sequence_snapshot> snapshot;
        std::uint64_t last_use = 0;
    };

    std::shared_ptr<kv_pool> pool_;
    std::vector<entry> held_;
    std::uint64_t now_ = 0;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
