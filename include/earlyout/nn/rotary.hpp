// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_ROTARY_HPP
#define EARLYOUT_NN_ROTARY_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/kernels/rotary.hpp>

#include <cmath>
#include <cstddef>
#include <memory>
#include <numbers>
#include <span>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Returns the rotation angle per position of each plane: base^(-2 i / dim) for plane i of dim / 2.
[[nodiscard]] inline std::vector<double> rotary_frequencies(std::size_t dim, double base) {
    std::vector<double> frequencies(dim / 2);
    for (std::size_t i = 0; i < frequencies.size(); ++i) {
        frequencies[i] = std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(dim));
    }
    return frequencies;
}

/// Llama 3.1's context extension: planes that rotate slowly over the original context rotate `factor` times slower,
/// fast ones are unchanged, those between are blended (the definition in Meta's llama-models, apply_scaling).
struct llama3_scaling {
    double factor = 8.0;
    double low_frequency_factor = 1.0;
    double high_frequency_factor = 4.0;
    double original_context = 8192.0;

    void operator()(std::span<double> frequencies) const noexcept {
        for (double& frequency : frequencies) {
            const double turns = original_context * frequency / (2.0 * std::numbers::pi);  // over the original context
            const double blend = std::fmin(
                1.0, std::fmax(0.0, (turns - low_frequency_factor) / (high_frequency_factor - low_frequency_factor)));
            frequency = blend * frequency + (1.0 - blend) * frequency / factor;
        }
    }
};

/// Rotary positions (Su et al., 2021): each query and key is rotated by angles proportional to its position, in the
/// planes of element i and i + dim / 2 of its first `dim` elements. Copies share one table.
///
/// The table has few rows: position p = 512 a + b is rotated by the angles of 512 a plus those of b (beyond 262144
/// positions a larger power of two replaces 512).
class rotary {
public:
    /// Max elements of a head that are rotated.
    static constexpr std::size_t max_dim = 1024;

    rotary() = default;
    /// @param frequencies radians per position, one for each plane; none: positions change nothing
    /// @param context     upper bound of positions
    /// @param magnitude   factor on the rotated elements
    /// @throws error (unsupported) for more than max_dim / 2 planes, (wrong_value) for values that are not finite
    rotary(std::span<const double> frequencies, std::size_t context, double magnitude = 1.0) {
        const std::size_t half = frequencies.size();
        if (2 * half > max_dim) {
            fail(errc::unsupported, "rotary positions: expected at most ", max_dim, " elements of a head, found ",
                 2 * half);
        }
        for (const double frequency : frequencies) {
            if (!std::isfinite(frequency)) {
                fail(errc::wrong_value, "rotary positions: expected finite frequencies, found ", frequency);
            }
        }
        if (!(magnitude > 0.0 && magnitude < 1e6)) {
            fail(errc::wrong_value, "rotary positions: expected a magnitude between 0 and 1e6, found ", magnitude);
        }
        table made{half, step_shift(context), {}, {}};
        const std::size_t step = std::size_t{1} << made.shift;
        const auto add_row = [&](std::vector<float>& rows, std::size_t position, double scale) {
            for (const double frequency : frequencies) {
                rows.push_back(static_cast<float>(scale * std::cos(static_cast<double>(position) * frequency)));
            }
            for (const double frequency : frequencies) {
                rows.push_back(static_cast<float>(scale * std::sin(static_cast<double>(position) * frequency)));
            }
        };
        for (std::size_t position = 0; position < context; position += step) add_row(made.coarse, position, magnitude);
        for (std::size_t position = 0; position < step; ++position) add_row(made.fine, position, 1.0);
        table_ = std::make_shared<const table>(std::move(made));
    }

    /// Rotates the queries and keys of one token. queries: [heads, head_dim], keys: [kv_heads, head_dim]
    void operator()(std::size_t position, float* queries, std::size_t heads, float* keys, std::size_t kv_heads,
                    std::size_t head_dim) const noexcept {
        const std::size_t half = table_->half;
        float cosine[max_dim / 2];
        float sine[max_dim / 2];
        const std::size_t a = position >> table_->shift;
        const std::size_t b = position - (a << table_->shift);
        kernels::add_angles(table_->coarse.data() + a * 2 * half, table_->fine.data() + b * 2 * half, half, cosine,
                            sine);
        for (std::size_t h = 0; h < heads; ++h) kernels::rotate_halves(queries + h * head_dim, cosine, sine, half);
        for (std::size_t h = 0; h < kv_heads; ++h) kernels::rotate_halves(keys + h * head_dim, cosine, sine, half);
    }

    [[nodiscard]] std::size_t bytes() const noexcept { return 0; }  // of weights

private:
    /// 512 positions between rows of the coarse table; more if the context is so long that the coarse table would be
    /// the larger one.
    static unsigned step_shift(std::size_t context) {
        unsigned shift = 9;
        while (context >> shift > std::size_t{1} << shift) ++shift;
        return shift;
    }

    struct table {
        std::size_t half = 0;
        unsigned shift = 9;
        std::vector<float> coarse;  // [context >> shift][cosines | sines]
        std::vector<float> fine;    // [1 << shift][cosines | sines]
    };

    std::shared_ptr<const table> table_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
