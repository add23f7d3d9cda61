// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_GENERATE_FIXTURES_HPP
#define EARLYOUT_TESTS_GENERATE_FIXTURES_HPP

#include <earlyout/exit/exit_policy.hpp>
#include <earlyout/exit/heads/shared_head.hpp>
#include <earlyout/generate/session.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "support/buffers.hpp"
#include "support/forward_pass.hpp"
#include "support/random_network.hpp"

namespace support {

namespace eo = earlyout;
using ids = std::vector<eo::token_id>;

/// Small enough for hundreds of completions, deep enough for several exits.
inline const eo::gpt2<>& small_network() {
    static const eo::gpt2<> made = random_gpt2({.layers = 6, .d_model = 20, .heads = 5, .vocab = 97, .context = 64}, 1);
    return made;
}

/// Those of small_network().
inline const eo::exit_layers every_layer({1, 2, 3, 4, 5});

/// The gate after every layer of small_network().
template <class Gate, class Cache>
auto policy(Gate gate, Cache cache) {
    return eo::exit_policy{eo::exit_plan{every_layer, gate}, eo::shared_head{}, cache};
}

/// Wide enough that matrix products are split between threads.
inline const eo::gpt2<>& wide_network() {
    static const eo::gpt2<> made =
        random_gpt2({.layers = 4, .d_model = 96, .heads = 4, .vocab = 3001, .context = 64}, 2);
    return made;
}

inline ids random_prompt(std::mt19937& engine, std::size_t size, std::size_t vocab = 97) {
    ids made(size);
    for (auto& id : made) id = static_cast<eo::token_id>(engine() % vocab);
    return made;
}

inline std::uint32_t mixed(std::uint32_t x) {
    x = (x ^ (x >> 16)) * 0x7feb352du;
    x = (x ^ (x >> 15)) * 0x846ca68bu;
    return x ^ (x >> 16);
}

/// Exits, and stops, at pseudo-random layers that follow from position, layer and arg-max alone.
struct hash_gate {
    static constexpr eo::signal_set signals = eo::signal::argmax;
    std::uint32_t seed = 0;
    std::uint32_t exit_percent = 30;
    std::uint32_t stop_percent = 0;

    eo::decision operator()(const auto& s) const {
        const auto token = static_cast<std::uint32_t>(s.argmax());
        const auto place = static_cast<std::uint32_t>(s.position() * 64 + s.layer());
        const std::uint32_t draw = mixed(seed * 7919 + place * 104729 + token) % 100;
        if (draw < stop_percent) return eo::decision::stop;
        return draw < stop_percent + exit_percent ? eo::decision::exit : eo::decision::go_on;
    }
};

/// The same with both kinds of state: its decision depends on all its previous evaluations.
struct remembering_gate {
    static constexpr eo::signal_set signals =
        eo::signal::argmax | eo::signal::previous_argmax | eo::signal::previous_hidden_state;
    struct token_state {
        std::uint32_t evaluations = 0;
    };
    struct sequence_state {
        std::uint32_t history = 17;
    };
    std::uint32_t stop_percent = 0;

    eo::decision operator()(const auto& s, token_state& token, sequence_state& sequence) const {
        ++token.evaluations;
        const std::uint32_t before = s.previous_argmax() ? static_cast<std::uint32_t>(*s.previous_argmax()) : 999u;
        const std::uint32_t seen = s.previous_hidden_state() && (*s.previous_hidden_state())[0] > 0.0f ? 1 : 0;
        sequence.history = mixed(sequence.history * 31 + before * 2 + seen + token.evaluations * 4099);
        const std::uint32_t draw = sequence.history % 100;
        if (draw < stop_percent) return eo::decision::stop;
        return draw < stop_percent + 30 ? eo::decision::exit : eo::decision::go_on;
    }
};

/// Computes the full model, one token at a time: rows(l)[p] is the state of token p after l layers.
class full_run {
public:
    full_run(const eo::gpt2<>& network, std::span<const eo::token_id> tokens)
        : network_(network),
          cache_(network.shape(), tokens.size()),
          context_(network, 1, on_),
          rows_(network.shape().layers + 1) {
        std::vector<float> row(network.shape().d_model);
        for (std::size_t p = 0; p < tokens.size(); ++p) {
            network.embed(tokens[p], p, row.data());
            rows_[0].push_back(row);
            for (std::size_t layer = 1; layer < rows_.size(); ++layer) {
                const eo::layer_token one{&cache_, p, row.data()};
                network.run_layers(layer, layer, {&one, 1}, context_);
                rows_[layer].push_back(row);
            }
        }
    }
    const std::vector<float>& row(std::size_t layer, std::size_t position) const { return rows_[layer][position]; }
    std::vector<float> logits(std::size_t layer, std::size_t position) {
        return logits_of(network_, row(layer, position), context_);
    }

private:
    const eo::gpt2<>& network_;
    eo::inline_executor on_;
    eo::kv_cache cache_;
    eo::run_context context_;
    std::vector<std::vector<std::vector<float>>> rows_;
};

/// Layers that a token of a sequence has passed.
template <class Sequence>
std::size_t depth_of(const Sequence& tokens, std::size_t position) {
    std::size_t depth = 0;
    while (depth < tokens.layers() && tokens.frontier(depth + 1) > position) ++depth;
    return depth;
}

/// A token event that outlives its callback, compared bit for bit.
struct recorded {
    eo::token_id id = 0;
    std::size_t index = 0;
    std::string piece;
    float log_probability = 0.0f;
    std::size_t exit_layer = 0;

    recorded() = default;
    explicit recorded(const eo::token_event& e)
        : id(e.id), index(e.index), piece(e.piece), log_probability(e.log_probability), exit_layer(e.exit_layer) {}
    friend bool operator==(const recorded& a, const recorded& b) {
        return a.id == b.id && a.index == b.index && a.piece == b.piece && a.exit_layer == b.exit_layer &&
               same_bits({&a.log_probability, 1}, {&b.log_probability, 1});
    }
    friend std::ostream& operator<<(std::ostream& out, const recorded& r) {
        return out << r.index << ": " << r.id << '<' << r.exit_layer << "> '" << r.piece << "' " << r.log_probability;
    }
};

/// The rest of a completion that was started.
template <class Session>
std::vector<recorded> rest_of(Session& s) {
    std::vector<recorded> events;
    while (const auto event = s.next()) events.emplace_back(*event);
    return events;
}

/// Compares two completions in everything that a caller can observe, except seconds and work.
inline bool same_output(const eo::completion& a, const eo::completion& b) {
    return a.ids == b.ids && a.exit_layers == b.exit_layers && a.text == b.text && a.unstreamed == b.unstreamed &&
           a.finish_reason == b.finish_reason && same_bits(a.log_probabilities, b.log_probabilities) &&
           a.stats.exit_histogram == b.stats.exit_histogram && a.stats.stop_layer == b.stats.stop_layer;
}

/// A tokenizer without a file: pieces over four letters, so that stop strings occur often. Two of the three bytes of
/// some pieces are held back until the third, as in incomplete UTF-8.
class toy_tokenizer {
public:
    static constexpr eo::token_id special = 96;
    static constexpr std::string_view special_text = "<s>";
    static constexpr std::size_t longest = 4;

    class decoder {
    public:
        std::string_view push(eo::token_id id) {
            out_size_ = 0;
            for (std::size_t i = 0; i < held_size_; ++i) out_[out_size_++] = held_[i];
            held_size_ = 0;
            const std::string_view piece = piece_of(id);
            for (const char c : piece) out_[out_size_++] = c;
            if (holds_back(id)) {
                held_[held_size_++] = out_[--out_size_];
            }
            return {out_, out_size_};
        }
        std::string_view finish() {
            out_size_ = held_size_;
            for (std::size_t i = 0; i < held_size_; ++i) out_[i] = held_[i];
            held_size_ = 0;
            return {out_, out_size_};
        }
        void reset() { held_size_ = 0; }

    private:
        char held_[1] = {};
        std::size_t held_size_ = 0;
        char out_[8] = {};
        std::size_t out_size_ = 0;
    };

    /// One token per byte: its code modulo 96.
    std::vector<eo::token_id> encode(std::string_view text) const {
        std::vector<eo::token_id> made;
        for (const char c : text) made.push_back(static_cast<eo::token_id>(static_cast<unsigned char>(c) % 96));
        return made;
    }
    decoder stream() const { return {}; }
    bool is_special(eo::token_id id) const noexcept { return id == special; }
    std::size_t max_piece_size() const noexcept { return longest; }
    std::string_view piece(eo::token_id id) const noexcept { return is_special(id) ? special_text : piece_of(id); }

    static std::string_view piece_of(eo::token_id id) {
        static constexpr std::string_view letters = "abcdbadcacbdabcabdcb";
        const auto index = static_cast<std::size_t>(id);
        return letters.substr(index % 16, 1 + index / 16 % longest);
    }
    static bool holds_back(eo::token_id id) { return id % 5 == 4; }
};

/// A network with a tokenizer and generation defaults, as loaded from a folder.
struct text_model {
    struct generation_defaults {
        bool add_bos = false;
        std::optional<eo::token_id> bos_token_id;
        std::vector<eo::token_id> eos_token_ids;
    };
    const eo::gpt2<>& network() const noexcept { return *net; }
    const toy_tokenizer& tokenizer() const noexcept { return toy; }
    const generation_defaults& generation() const noexcept { return defaults; }

    const eo::gpt2<>* net = &small_network();
    toy_tokenizer toy{};
    generation_defaults defaults{};
};

/// The full text of tokens, nothing held back and nothing cut.
inline std::string text_of(std::span<const eo::token_id> tokens) {
    std::string all;
    for (const eo::token_id id : tokens) {
        if (id != toy_tokenizer::special) all += toy_tokenizer::piece_of(id);
    }
    return all;
}

}  // namespace support

#endif
