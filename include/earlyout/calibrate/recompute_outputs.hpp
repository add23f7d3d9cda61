// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_RECOMPUTE_OUTPUTS_HPP
#define EARLYOUT_CALIBRATE_RECOMPUTE_OUTPUTS_HPP

#include <earlyout/calibrate/calibration_set.hpp>
#include <earlyout/core/executor.hpp>
#include <earlyout/core/function_ref.hpp>
#include <earlyout/exit/exit_head.hpp>
#include <earlyout/nn/network.hpp>
#include <earlyout/nn/run_context.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <stop_token>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// Recomputes the outputs of every exit but full depth through another head, on the stored hidden states: gates are
/// then fitted on what they will see. Allocates eight rows of logits for each piece of work.
/// @param progress called with the number of outputs done
/// @throws error (wrong_value) when logits are NaN, infinite or all masked
/// @return false when cancelled: some exits then still have their earlier outputs
template <network Network, exit_head Head>
bool recompute_outputs(
    calibration_set& seen, const Network& network, const Head& head, executor& on, const std::stop_token& cancel = {},
    function_ref<void(std::size_t)> progress = [](std::size_t) {}) try {
    constexpr std::size_t rows_at_once = 8;  // for which the output matrix is read once
    struct place {
        place(const Network& network, const Head& head)
            : context(network, rows_at_once, on, head_scratch_bytes(head, rows_at_once)),
              logits(rows_at_once * network.shape().vocab) {}
        inline_executor on;
        run_context context;
        std::vector<float> logits;
    };
    std::deque<place> places;
    for (std::size_t p = 0; p < pieces_per_thread * on.concurrency(); ++p) places.emplace_back(network, head);
    constexpr std::size_t rows_between_looks = 2048;
    std::size_t done = 0;
    for (std::size_t e = 0; e + 1 < seen.exit_count(); ++e) {
        for (std::size_t first = 0; first < seen.size(); first += rows_between_looks) {
            if (cancel.stop_requested()) return false;
            const std::size_t count = std::min(rows_between_looks, seen.size() - first);
            parallel_for(on, count, rows_at_once, [&](std::size_t piece, std::size_t begin, std::size_t end) {
                place& at = places[piece];
                const auto own = [&](matrix_view<const float> rows, matrix_view<float> logits) {
                    network.logits(rows, logits, at.context);
                };
                const std::size_t vocab = network.shape().vocab;
                for (std::size_t i = first + begin; i < first + end; i += rows_at_once) {
                    const std::size_t rows = std::min(rows_at_once, first + end - i);
                    head(seen.layer(e), matrix_view<const float>{seen.hidden(e, i).data(), rows, seen.d_model()},
                         matrix_view<float>{at.logits.data(), rows, vocab}, lm_head(own, at.context));
                    for (std::size_t row = 0; row < rows; ++row) {
                        seen.recompute_outputs(e, i + row, {at.logits.data() + row * vocab, vocab});
                    }
                }
            });
            for (std::size_t i = first; i < first + count; ++i) {
                require_numbers(seen.max_probability(e, i), seen.layer(e), i);
            }
            progress(done += count);
        }
    }
    return true;
} catch (...) {
    earlyout::detail::rethrow_as_error("exits");
}

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
