// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_PENDING_HPP
#define EARLYOUT_GENERATE_PENDING_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/stop_flag.hpp>
#include <earlyout/generate/sequence.hpp>
#include <earlyout/nn/network.hpp>
#include <earlyout/nn/run_context.hpp>

#include <algorithm>
#include <cstddef>
#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI {

namespace detail {

/// Collects tokens until they make a chunk, then runs it.
template <class Run>
class chunk_filler {
public:
    chunk_filler(run_context& context, Run run) noexcept : tokens_(context.token_list()), run_(run) {}

    void add(const layer_token& token) {
        tokens_[count_++] = token;
        if (count_ == tokens_.size()) flush();
    }
    void flush() {
        if (count_ != 0) run_(std::span<const layer_token>(tokens_.first(count_)));
        count_ = 0;
    }

private:
    std::span<layer_token> tokens_;
    Run run_;
    std::size_t count_ = 0;
};

/// Returns the sequence to run: the value itself, or its member called tokens.
[[nodiscard]] inline sequence& sequence_of(sequence& tokens) noexcept { return tokens; }
template <class Holder>
    requires requires(Holder& holder) { static_cast<sequence&>(holder.tokens); }
[[nodiscard]] sequence& sequence_of(Holder& holder) noexcept {
    return holder.tokens;
}

/// Returns the first pending position whose state after the last layer is needed. A few more than needed cost little:
/// the weights are read for the needed ones anyway.
[[nodiscard]] inline std::size_t first_run(const sequence& tokens, std::size_t layer) noexcept {
    constexpr std::size_t few = 4;
    const std::size_t begin = tokens.frontier(layer);
    if (layer != tokens.layers()) return begin;
    const std::size_t unneeded = std::max(tokens.needed_from(), begin) - begin;
    return unneeded > few ? begin + unneeded : begin;
}

}  // namespace detail

/// Runs every pending token of these sequences through one layer, batched in the same chunks, so that the layer's
/// weights are read once for all of them.
/// @param holders sequences, or values with a sequence called `tokens`
template <network Network, class Holder>
void run_pending(const Network& network, std::size_t layer, std::span<Holder* const> holders, run_context& context) {
    detail::chunk_filler keys_and_values(context, [&](std::span<const layer_token> chunk) {
        network.update_kv_only(layer, layer, chunk, context);
        context.count_layer_tokens(chunk.size());
    });
    for (Holder* const holder : holders) {
        sequence& tokens = detail::sequence_of(*holder);
        const std::size_t end = std::min(detail::first_run(tokens, layer), tokens.size());
        for (std::size_t p = tokens.frontier(layer); p < end; ++p) keys_and_values.add(tokens.at(p));
    }
    keys_and_values.flush();
    detail::chunk_filler whole(
        context, [&](std::span<const layer_token> chunk) { network.run_layers(layer, layer, chunk, context); });
    for (Holder* const holder : holders) {
        sequence& tokens = detail::sequence_of(*holder);
        for (std::size_t p = detail::first_run(tokens, layer); p < tokens.size(); ++p) whole.add(tokens.at(p));
    }
    whole.flush();
    for (Holder* const holder : holders) {
        sequence& tokens = detail::sequence_of(*holder);
        tokens.advance(layer, tokens.size());
    }
}

/// Runs the pending tokens of one sequence through layers first .. last.
/// @throws error (out_of_range) for layers that the network does not have
/// @return false when cancelled between two layers, which keeps everything consistent
template <network Network>
bool run_pending(const Network& network, std::size_t first, std::size_t last, sequence& tokens, run_context& context,
                 const stop_flag& cancel = {}) {
    if (first == 0 || last > tokens.layers()) {
        fail(errc::out_of_range, "layers: expected 1 .. ", tokens.layers(), ", found ", first, " .. ", last);
    }
    sequence* const one = &tokens;
    for (std::size_t layer = first; layer <= last; ++layer) {
        if (cancel.stop_requested()) return false;
        run_pending(network, layer, std::span<sequence* const>(&one, 1), context);
    }
    return true;
}

/// The tokens of a sequence before its last one, as seen by a cache policy: determines how the layers they skipped are
/// handled before the last token enters the first layer.
template <network Network>
class skipped_layers {
public:
    skipped_layers(const Network& network, sequence& tokens, run_context& context) noexcept
        : network_(&network), tokens_(&tokens), context_(&context) {}

    /// Appends keys and values computed from the hidden states that the tokens exited with; the model's own are lost.
    void propagate() const {
        if (tokens_->size() == 0) return;
        const std::size_t last = tokens_->size() - 1;
        // A token that skipped only the last layer loses nothing: that layer gets the state it would have had.
        const std::size_t layers = tokens_->layers();
        tokens_->mark_inexact(below(last, layers > 1 ? tokens_->frontier(layers - 1) : last));
        for (std::size_t layer = 1; layer <= layers; ++layer) {
            if (tokens_->frontier(layer) >= last) continue;
            detail::chunk_filler filler(*context_, [&](std::span<const layer_token> chunk) {
                network_->update_kv_only(layer, layer, chunk, *context_);
            });
            for (std::size_t p = tokens_->frontier(layer); p < last; ++p) filler.add(tokens_->at(p));
            filler.flush();
            tokens_->advance(layer, last);
        }
    }
    /// Omits the tokens from the layers they skipped.
    void omit() const noexcept {
        if (tokens_->size() == 0) return;
        const std::size_t last = tokens_->size() - 1;
        tokens_->mark_inexact(below(last, tokens_->frontier(tokens_->layers())));
        for (std::size_t layer = 1; layer <= tokens_->layers(); ++layer) {
            tokens_->advance(layer, std::max(tokens_->frontier(layer), last));
        }
    }
    /// Keeps the tokens pending until a token goes deeper, which catches them up.
    void defer() const noexcept {}

private:
    /// Returns the position from which on the cache is inexact: none when it is not before the last token.
    [[nodiscard]] std::size_t below(std::size_t last, std::size_t position) const noexcept {
        return position < last ? position : tokens_->capacity();
    }

    const Network* network_;
    sequence* tokens_;
    run_context* context_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
