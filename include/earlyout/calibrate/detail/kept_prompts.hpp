// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_DETAIL_KEPT_PROMPTS_HPP
#define EARLYOUT_CALIBRATE_DETAIL_KEPT_PROMPTS_HPP

#include <earlyout/core/shape.hpp>
#include <earlyout/generate/any_session.hpp>
#include <earlyout/generate/sequence_snapshot.hpp>
#include <earlyout/nn/kv_pool.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate { namespace detail {

/// Prompts that many policies continue, each computed once: with an eager prefill what a prompt leaves in the caches
/// does not depend on the policy. One thread at a time may use it, with one session at a time.
class kept_prompts {
public:
    /// @param capacity of the sessions
    /// @param prompts  that they continue
    /// @param bytes    for keys and values; what does not fit is computed each time
    kept_prompts(const model_shape& shape, std::size_t capacity, std::size_t prompts, std::size_t bytes)
        : shape_(shape), snapshots_(prompts) {
        const std::size_t entries = kv_pool::page_entries_for(capacity);
        const std::size_t pages = shape.layers * kv_pool::pages_for(capacity);  // of one sequence
        left_ = std::min(prompts, bytes / std::max<std::size_t>(1, pages * kv_pool::page_bytes(shape, {}, entries)));
        pool_ = std::make_shared<kv_pool>(shape, kv_format{}, pages * (left_ + 1), entries);
    }

    /// Returns the pool for session_options.
    [[nodiscard]] const std::shared_ptr<kv_pool>& pool() const noexcept { return pool_; }
    /// Lets a session begin with a prompt, if that is kept.
    void begin(std::size_t prompt, any_session& with) const {
        if (snapshots_[prompt]) with.restore(*snapshots_[prompt]);
    }
    /// Keeps a prompt that a session has just continued, if there is room.
    void keep(std::size_t prompt, std::span<const token_id> ids, const any_session& from) {
        const std::size_t size = std::min(from.tokens().exact_prefix(), ids.size() - 1);
        if (snapshots_[prompt] || left_ == 0 || size == 0) return;
        snapshots_[prompt].emplace(shape_, from.tokens(), size, pool_);
        --left_;
    }

private:
    model_shape shape_;
    std::shared_ptr<kv_pool> pool_;
    std::vector<std::optional<sequence_snapshot>> snapshots_;
    std::size_t left_ = 0;  // snapshots that there is room for
};

}}}}  // namespace earlyout::EARLYOUT_ABI::calibrate::detail

#endif
