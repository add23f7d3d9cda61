// SPDX-License-Identifier: MIT
#include "infill_prompt.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>

namespace serve {

namespace {

void keep_first(token_ids& ids, std::size_t n) { ids.resize(std::min(n, ids.size())); }
void keep_last(token_ids& ids, std::size_t n) {
    ids.erase(ids.begin(), ids.end() - static_cast<std::ptrdiff_t>(std::min(n, ids.size())));
}
/// Keeps the last n tokens, or a few less: from the token whose successors have the least hash of the first sixth. A
/// text that has grown by a line begins there again, with rare exceptions, and what was computed for it is reused.
void keep_last_steadily(token_ids& ids, std::size_t n) {
    if (ids.size() <= n) return;
    keep_last(ids, n);
    constexpr std::size_t seen = 4;
    std::size_t start = 0;
    std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
    for (std::size_t i = 0; i < n / 6 && i + seen <= n; ++i) {
        std::uint64_t hash = 0;
        for (std::size_t k = i; k < i + seen; ++k) {
            hash = (hash ^ static_cast<std::uint64_t>(ids[k])) * 0x9e3779b97f4a7c15u;
            hash ^= hash >> 32;
        }
        if (hash < least) {
            least = hash;
            start = i;
        }
    }
    keep_last(ids, n - start);
}
void append(token_ids& to, std::span<const eo::token_id> more) { to.insert(to.end(), more.begin(), more.end()); }

}  // namespace

std::size_t infill_composer::frame() const noexcept {
    return words_.tokens_before().size() + (tokens_.prefix ? 1 : 0) + 1 + tokens_.middle.size();
}

void infill_composer::cut(infill_texts& texts, std::size_t batch, std::size_t context, std::size_t n_predict) const {
    // A context that is smaller than a batch keeps a quarter for the completion at most.
    const std::size_t room = context - std::min(n_predict, context / 4);
    const std::size_t quarter = std::min(batch, room - std::min(room, frame())) / 4;
    const std::size_t typed = texts.typed.size();
    // Where the suffix comes first, a key that is typed must not move its end: all behind it would be computed again.
    const std::size_t step = quarter / 8 + 1;
    const std::size_t reserved = order_ == fim_order::prefix_first ? typed : (typed / step + 1) * step;
    keep_first(texts.suffix, quarter - std::min(quarter, 2 + reserved));
    const std::size_t besides = frame() + texts.suffix.size() + typed;
    keep_last_steadily(texts.prefix, std::min(3 * quarter, room - std::min(room, besides)));

    std::size_t left = room - std::min(room, besides + texts.prefix.size());
    const std::size_t header = texts.repository.size() + texts.file.size();
    if (texts.extra.empty() || left <= header) {
        texts.extra.clear();
        return;
    }
    left -= header;
    for (auto chunk = texts.extra.rbegin(); chunk != texts.extra.rend(); ++chunk) {
        keep_last(*chunk, left);
        left -= chunk->size();
    }
    std::erase_if(texts.extra, [](const token_ids& chunk) { return chunk.empty(); });
}

token_ids infill_composer::compose(const infill_texts& texts) const {
    token_ids ids;
    if (!texts.extra.empty()) {
        append(ids, texts.repository);
        for (const token_ids& chunk : texts.extra) append(ids, chunk);
        append(ids, texts.file);
    }
    append(ids, words_.tokens_before());
    const auto append_prefix = [&] {
        if (tokens_.prefix) ids.push_back(*tokens_.prefix);
        append(ids, texts.prefix);
        if (order_ != fim_order::after_middle) append(ids, texts.typed);
    };
    if (order_ != fim_order::suffix_first) append_prefix();
    ids.push_back(tokens_.suffix);
    append(ids, texts.suffix);
    if (order_ == fim_order::suffix_first) append_prefix();
    append(ids, tokens_.middle);
    if (order_ == fim_order::after_middle) append(ids, texts.typed);
    return ids;
}

token_ids infill_composer::compose_within(infill_texts texts, std::size_t n,
                                          eo::function_ref<std::size_t(const token_ids&)> reusable,
                                          omitted_tokens& omitted) const {
    token_ids ids = compose(texts);
    const auto excess_of = [&](const token_ids& of) {
        const std::size_t cost = of.size() - std::min(of.size(), reusable(of));
        return cost - std::min(cost, n);
    };
    const auto excess = [&] { return excess_of(ids); };
    std::size_t over = excess();
    if (over != 0 && 2 * reusable(ids) > ids.size() && over <= texts.suffix.size() / 2) {
        // The prompt's start costs nothing as long as it stays where it is.
        infill_texts shorter = texts;
        keep_first(shorter.suffix, texts.suffix.size() - over);
        token_ids made = compose(shorter);
        if (excess_of(made) == 0) {
            omitted.suffix = over;
            return made;
        }
    }
    for (; over != 0 && !texts.extra.empty(); over = excess()) {
        omitted.extra += texts.extra.front().size();
        texts.extra.erase(texts.extra.begin());
        ids = compose(texts);
    }
    if (over == 0) return ids;
    // A prompt that begins elsewhere reuses next to nothing, so its length is its cost. Cut in steps, it begins at the
    // same place again while the text grows by a few tokens.
    constexpr std::size_t step = 32;
    over = ids.size() - std::min(ids.size(), n);
    omitted.prefix = std::min(texts.prefix.size(), (over + step - 1) / step * step);
    keep_last(texts.prefix, texts.prefix.size() - omitted.prefix);
    over -= std::min(over, omitted.prefix);
    omitted.suffix = std::min(texts.suffix.size(), over);
    keep_first(texts.suffix, texts.suffix.size() - omitted.suffix);
    return compose(texts);
}

}  // namespace serve
