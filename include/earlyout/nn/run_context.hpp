// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_RUN_CONTEXT_HPP
#define EARLYOUT_NN_RUN_CONTEXT_HPP

#include <earlyout/core/executor.hpp>
#include <earlyout/core/function_ref.hpp>
#include <earlyout/core/scratch_arena.hpp>
#include <earlyout/nn/layer_token.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Work done by layers; one layer-token is one token through one layer.
struct work_count {
    std::uint64_t layer_tokens = 0;
    std::uint64_t weight_bytes = 0;  ///< counted where weights are read, once for all tokens of a chunk

    friend constexpr work_count operator+(const work_count& a, const work_count& b) noexcept {
        return {a.layer_tokens + b.layer_tokens, a.weight_bytes + b.weight_bytes};
    }
    constexpr work_count& operator+=(const work_count& more) noexcept { return *this = *this + more; }
    friend constexpr work_count operator-(const work_count& a, const work_count& b) noexcept {
        return {a.layer_tokens - b.layer_tokens, a.weight_bytes - b.weight_bytes};
    }
    friend constexpr bool operator==(const work_count&, const work_count&) = default;
};

/// Called with the tokens of a chunk after each layer, when their rows hold its output.
using layer_observer = function_ref<void(std::size_t layer, std::span<const layer_token> tokens)>;

/// Resources that a caller lends to the layers: scratch memory, threads, counters and observers. It belongs to no
/// sequence; any number of them run on one context, one call at a time.
class run_context {
public:
    /// Allocates the scratch memory.
    /// @param layers  what will run: anything with `scratch_bytes(tokens, pieces)`, such as a network or one layer
    /// @param chunk   max tokens that pass a layer together; longer runs are cut into chunks
    /// @param on      threads to compute with; must outlive the context
    /// @param further bytes of scratch memory needed outside the layers, such as by exit heads
    template <class Layers>
    run_context(const Layers& layers, std::size_t chunk, executor& on, std::size_t further = 0)
        : chunk_(chunk), on_(&on), scratch_(layers.scratch_bytes(chunk, pieces()) + further), tokens_(chunk) {}

    /// Returns the max number of tokens that pass a layer together.
    [[nodiscard]] std::size_t chunk() const noexcept { return chunk_; }
    /// Returns the executor.
    [[nodiscard]] executor& threads() const noexcept { return *on_; }
    /// Replaces the executor, with at most as many threads as it was made with.
    void run_on(executor& on) noexcept { on_ = &on; }
    /// Returns an upper bound of the pieces into which parallel_for cuts its range.
    [[nodiscard]] std::size_t pieces() const noexcept { return pieces_per_thread * on_->concurrency(); }
    /// Returns the scratch memory.
    [[nodiscard]] scratch_arena& scratch() noexcept { return scratch_; }
    /// Returns room to list the tokens of one chunk, [chunk].
    [[nodiscard]] std::span<layer_token> token_list() noexcept { return tokens_; }

    /// Returns the counts since the context was made.
    [[nodiscard]] const work_count& work() const noexcept { return work_; }
    /// Counts weight bytes that were read.
    void count_bytes(std::size_t bytes) noexcept { work_.weight_bytes += bytes; }
    /// Counts tokens that passed a layer.
    void count_layer_tokens(std::size_t tokens) noexcept { work_.layer_tokens += tokens; }

    /// Sets an observer, called after each layer; std::nullopt: none. It must outlive the calls.
    void observe_layers(std::optional<layer_observer> after_layer) noexcept {
        after_layer_.reset();
        if (after_layer) after_layer_.emplace(*after_layer);
    }
    /// Notifies the observer, if there is one.
    void notify(std::size_t layer, std::span<const layer_token> tokens) const {
        if (after_layer_) (*after_layer_)(layer, tokens);
    }

private:
    std::size_t chunk_;
    executor* on_;
    scratch_arena scratch_;
    std::vector<layer_token> tokens_;
    work_count work_;
    std::optional<layer_observer> after_layer_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
