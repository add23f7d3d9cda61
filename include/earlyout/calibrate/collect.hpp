// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_COLLECT_HPP
#define EARLYOUT_CALIBRATE_COLLECT_HPP

#include <earlyout/calibrate/corpus.hpp>
#include <earlyout/core/error.hpp>
#include <earlyout/core/executor.hpp>
#include <earlyout/core/function_ref.hpp>
#include <earlyout/core/matrix_view.hpp>
#include <earlyout/exit/exit_head.hpp>
#include <earlyout/exit/heads/shared_head.hpp>
#include <earlyout/generate/pending.hpp>
#include <earlyout/generate/sequence.hpp>
#include <earlyout/kernels/argmax.hpp>
#include <earlyout/kernels/softmax.hpp>
#include <earlyout/nn/layer_token.hpp>
#include <earlyout/nn/network.hpp>
#include <earlyout/nn/run_context.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stop_token>
#include <type_traits>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// Summary of one token's logits, from which gates read their signals.
struct exit_output {
    token_id argmax = 0;
    float max_probability = 0.0f;  ///< p1
    float margin = 0.0f;           ///< p1 - p2
    float entropy = 0.0f;          ///< nats
    float square_entropy = 0.0f;   ///< of p^2 / sum p^2, nats; jei_dnn reads it along with the others
    float log_sum = 0.0f;          ///< log sum exp of the logits

    /// @param logits [vocab]
    [[nodiscard]] static exit_output of(std::span<const float> logits) noexcept {
        const kernels::top_two top = kernels::find_top_two(logits.data(), logits.size());
        exit_output made;
        made.argmax = static_cast<token_id>(top.index);
        made.log_sum = kernels::log_sum_exp(logits.data(), logits.size(), top.first);
        made.max_probability = std::exp(top.first - made.log_sum);
        made.margin = made.max_probability - std::exp(top.second - made.log_sum);
        made.entropy = kernels::entropy(logits.data(), logits.size(), made.log_sum);
        made.square_entropy = kernels::entropy_of_squares(logits.data(), logits.size(), top.first);
        return made;
    }
};

/// @param max_probability of an exit_output: NaN when the logits hold NaN or +infinity, or nothing but -infinity
/// @throws error (wrong_value)
inline void require_numbers(float max_probability, std::size_t layer, std::size_t position) {
    if (std::isnan(max_probability)) {
        fail(errc::wrong_value, "logits after layer ", layer, " at position ", position,
             ": expected numbers, found NaN, infinity or none that is finite");
    }
}

/// Outputs of one exit for every token of a window, given the true tokens before it (teacher forcing).
struct exit_observation {
    std::size_t layer = 0;
    std::vector<float> hidden;           ///< residual stream after the layer, [tokens, d_model]
    std::vector<token_id> argmax;        ///< [tokens]
    std::vector<float> max_probability;  ///< p1, [tokens]
    std::vector<float> margin;           ///< p1 - p2, [tokens]
    std::vector<float> entropy;          ///< nats, [tokens]
    std::vector<float> square_entropy;   ///< of p^2 / sum p^2, nats, [tokens]
    std::vector<float> cross_entropy;    ///< -log p(next token), nats, [tokens - 1]
};

/// A window of one text as observed at every exit. Position i predicts tokens[i + 1].
struct window_observation {
    std::span<const token_id> tokens;
    std::span<const exit_observation> exits;  ///< in order of depth; the last is full depth

    [[nodiscard]] std::size_t exit_count() const noexcept { return exits.size(); }
    [[nodiscard]] std::size_t predictions() const noexcept { return tokens.size() - 1; }
    [[nodiscard]] token_id truth(std::size_t i) const noexcept { return tokens[i + 1]; }
    [[nodiscard]] std::size_t layer(std::size_t exit) const noexcept { return exits[exit].layer; }
    [[nodiscard]] float cross_entropy(std::size_t exit, std::size_t i) const noexcept {
        return exits[exit].cross_entropy[i];
    }
    [[nodiscard]] const exit_observation& full_depth() const noexcept { return exits.back(); }
    /// Returns true where this exit's arg-max is the next token.
    [[nodiscard]] bool right(std::size_t exit, std::size_t i) const noexcept {
        return exits[exit].argmax[i] == truth(i);
    }
    /// Returns true where this exit's arg-max equals that of full depth.
    [[nodiscard]] bool agrees(std::size_t exit, std::size_t i) const noexcept {
        return exits[exit].argmax[i] == exits.back().argmax[i];
    }
};

/// Runs texts through a network and records what each exit would have predicted. Holds one window at a time: window *
/// (exits * d_model + block * vocab / window) floats, whatever the size of the corpus.
/// @tparam Head computes the exits' logits
template <network Network, exit_head Head = shared_head>
class collector {
public:
    /// @param layers exit layers, increasing; the last layer is always included
    /// @param window tokens that attend to each other, at most the model's context
    /// @throws error (invalid_argument, out_of_range)
    collector(const Network& network, std::vector<std::size_t> layers, std::size_t window, executor& on,
              Head head = {}) try
        : network_(&network),
          head_(std::move(head)),
          window_(checked_window(network.shape(), window)),
          tokens_(network.shape(), window_),
          context_(network, std::min(window_, max_rows), on, head_scratch_bytes(head_, max_rows)),
          logits_(context_.chunk() * network.shape().vocab) {
        if (layers.empty() || layers.back() != network.shape().layers) layers.push_back(network.shape().layers);
        std::size_t previous = 0;
        for (const std::size_t layer : layers) {
            if (layer <= previous || layer > network.shape().layers) {
                fail(errc::invalid_argument, "exit layers: expected increasing layers 1 .. ", network.shape().layers,
                     ", found ", layer);
            }
            previous = layer;
            exits_.push_back({.layer = layer,
                              .hidden = {},
                              .argmax = {},
                              .max_probability = {},
                              .margin = {},
                              .entropy = {},
                              .square_entropy = {},
                              .cross_entropy = {}});
        }
    } catch (...) {
        earlyout::detail::rethrow_as_error("exits");
    }

    [[nodiscard]] std::size_t window() const noexcept { return window_; }

    /// Returns the outputs of every exit for these tokens, valid until the next call.
    /// @param tokens 2 .. window() valid ids
    /// @throws error (wrong_value) when logits are NaN, infinite or all masked
    window_observation observe(std::span<const token_id> tokens) {
        const std::size_t d = network_->shape().d_model;
        tokens_.rollback(0);
        for (const token_id id : tokens) tokens_.push(*network_, id);
        for (exit_observation& exit : exits_) exit.hidden.resize(tokens.size() * d);
        const auto keep_hidden = [&](std::size_t layer, std::span<const layer_token> chunk) {
            const auto exit = std::ranges::find(exits_, layer, &exit_observation::layer);
            if (exit == exits_.end()) return;
            for (const layer_token& token : chunk) std::copy_n(token.row, d, exit->hidden.data() + token.position * d);
        };
        context_.observe_layers(layer_observer(keep_hidden));
        (void)run_pending(*network_, 1, network_->shape().layers, tokens_, context_);
        context_.observe_layers({});
        for (exit_observation& exit : exits_) compute_outputs(exit, tokens);
        return {tokens, exits_};
    }

    /// Visits every window of the texts, including the last, shorter one of a text, down to 2 tokens.
    /// @param progress called with the number of tokens done after each window
    /// @return false when cancelled before the end
    bool run(
        std::span<const corpus_text> texts, function_ref<void(const window_observation&)> visit,
        const std::stop_token& cancel = {}, function_ref<void(std::size_t)> progress = [](std::size_t) {}) try {
        std::size_t done = 0;
        for (const corpus_text& text : texts) {
            for (std::size_t at = 0; at + 1 < text.ids.size(); at += window_) {
                if (cancel.stop_requested()) return false;
                const std::size_t size = std::min(window_, text.ids.size() - at);
                if (size >= 2) visit(observe(std::span(text.ids).subspan(at, size)));
                progress(done += size);
            }
        }
        return true;
    } catch (...) {
        earlyout::detail::rethrow_as_error("exits");
    }

private:
    static constexpr std::size_t max_rows = 64;  // rows of logits held at a time

    static std::size_t checked_window(const model_shape& shape, std::size_t window) {
        if (window < 2 || window > shape.context) {
            fail(errc::out_of_range, "window: expected 2 .. ", shape.context, " tokens, found ", window);
        }
        return window;
    }

    void compute_outputs(exit_observation& exit, std::span<const token_id> tokens) {
        const std::size_t d = network_->shape().d_model;
        const std::size_t vocab = network_->shape().vocab;
        for (auto* values : {&exit.max_probability, &exit.margin, &exit.entropy, &exit.square_entropy}) {
            values->resize(tokens.size());
        }
        exit.argmax.resize(tokens.size());
        exit.cross_entropy.resize(tokens.size() - 1);
        for (std::size_t at = 0; at < tokens.size(); at += context_.chunk()) {
            const std::size_t count = std::min(context_.chunk(), tokens.size() - at);
            const matrix_view<const float> hidden{exit.hidden.data() + at * d, count, d};
            const matrix_view<float> logits{logits_.data(), count, vocab};
            fill_logits(exit.layer, hidden, logits);
            parallel_for(context_.threads(), count, 4, [&](std::size_t, std::size_t begin, std::size_t end) {
                for (std::size_t i = begin; i < end; ++i) read(exit, tokens, at + i, logits.row(i));
            });
        }
        for (std::size_t i = 0; i < tokens.size(); ++i) require_numbers(exit.max_probability[i], exit.layer, i);
    }

    void fill_logits(std::size_t layer, matrix_view<const float> hidden, matrix_view<float> logits) {
        const auto own = [&](matrix_view<const float> rows, matrix_view<float> out) {
            network_->logits(rows, out, context_);
        };
        if (layer == network_->shape().layers) return own(hidden, logits);
        head_(layer, hidden, logits, lm_head(own, context_));
    }

    void read(exit_observation& exit, std::span<const token_id> tokens, std::size_t i, const float* logits) const {
        const exit_output output = exit_output::of({logits, network_->shape().vocab});
        exit.argmax[i] = output.argmax;
        exit.max_probability[i] = output.max_probability;
        exit.margin[i] = output.margin;
        exit.entropy[i] = output.entropy;
        exit.square_entropy[i] = output.square_entropy;
        if (i + 1 < tokens.size()) {
            exit.cross_entropy[i] = output.log_sum - logits[static_cast<std::size_t>(tokens[i + 1])];
        }
    }

    const Network* network_;
    Head head_;
    std::size_t window_;
    sequence tokens_;
    run_context context_;
    std::vector<float> logits_;
    std::vector<exit_observation> exits_;
};

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
