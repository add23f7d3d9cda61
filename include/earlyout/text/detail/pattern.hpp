// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_DETAIL_PATTERN_HPP
#define EARLYOUT_TEXT_DETAIL_PATTERN_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/text/detail/utf8.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#ifndef PCRE2_CODE_UNIT_WIDTH
#define PCRE2_CODE_UNIT_WIDTH 8
#endif
#include <pcre2.h>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text::detail {

template <auto Free>
struct pcre2_deleter {
    template <class T>
    void operator()(T* owned) const noexcept {
        Free(owned);
    }
};

[[nodiscard]] inline std::string pcre2_reason(int code) {
    PCRE2_UCHAR8 text[256] = {};
    pcre2_get_error_message_8(code, text, sizeof text);
    return reinterpret_cast<const char*>(text);
}

/// A compiled regular expression over UTF-8 with Unicode's character properties. Immutable.
class pattern {
public:
    enum class syntax { regular_expression, literal };

    /// @param where prefix of every error message, e.g. "tokenizer.json: pre_tokenizer.pattern"
    /// @throws error (unsupported) when PCRE2 rejects the expression
    pattern(std::string_view expression, syntax kind, std::string where) : where_(std::move(where)) {
        const std::unique_ptr<pcre2_compile_context_8, pcre2_deleter<pcre2_compile_context_free_8>> context(
            pcre2_compile_context_create_8(nullptr));
        if (!context) throw std::bad_alloc();
        pcre2_set_newline_8(context.get(), PCRE2_NEWLINE_LF);
        pcre2_set_max_pattern_length_8(context.get(), longest_expression);
        // In Oniguruma, ^ and $ always match at line ends. \C could split a character.
        const std::uint32_t options = kind == syntax::literal
                                          ? PCRE2_UTF | PCRE2_LITERAL
                                          : PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
        int problem = 0;
        std::size_t at = 0;
        code_.reset(pcre2_compile_8(reinterpret_cast<PCRE2_SPTR8>(expression.data()), expression.size(), options,
                                    &problem, &at, context.get()));
        if (!code_) {
            fail(errc::unsupported, where_, ": expected a pattern that PCRE2 compiles, found one with '",
                 pcre2_reason(problem), "' at byte ", at);
        }
    }
    /// Compiles it to machine code, if PCRE2 can here. That runs several times as fast, but does not count all of its
    /// steps: only for expressions that are known to take linear time.
    void compile_to_machine_code() noexcept { (void)pcre2_jit_compile_8(code_.get(), PCRE2_JIT_COMPLETE); }

    [[nodiscard]] const pcre2_code_8* code() const noexcept { return code_.get(); }
    [[nodiscard]] const std::string& where() const noexcept { return where_; }

private:
    static constexpr std::size_t longest_expression = 32768;

    std::unique_ptr<pcre2_code_8, pcre2_deleter<pcre2_code_free_8>> code_;
    std::string where_;
};

/// Finds a pattern's matches; for one thread. The work is bounded by a multiple of the text's length whatever the
/// pattern: each position is first tried with few steps, PCRE2's limit being per position, and the rare one that needs
/// more draws on a shared budget.
class pattern_matcher {
public:
    struct match {
        std::size_t begin;
        std::size_t end;
    };

    explicit pattern_matcher(const pattern& p)
        : pattern_(&p), data_(pcre2_match_data_create_8(1, nullptr)), context_(pcre2_match_context_create_8(nullptr)) {
        if (!data_ || !context_) throw std::bad_alloc();
        pcre2_set_heap_limit_8(context_.get(), max_kibibytes);
        pcre2_set_depth_limit_8(context_.get(), deepest);
    }

    /// Calls found(match) for the matches in `text`, which is valid UTF-8, from left to right; none overlap.
    /// @throws error (unsupported) when the pattern costs too much on this text
    template <class Found>
    void each_match(std::string_view text, Found&& found) {
        budget_ = base_budget + text.size() * budget_per_byte;
        std::size_t at = 0;
        std::size_t last_end = static_cast<std::size_t>(-1);
        while (at < text.size()) {
            const std::optional<match> here = next_match(text, at);
            if (!here || here->begin == text.size()) return;
            // As usual, no empty match right after a match.
            if (here->begin < here->end || here->end != last_end) {
                found(*here);
                last_end = here->end;
            }
            at = here->end;
            if (here->begin == here->end && at < text.size()) at += look_at_utf8(text.substr(at)).needed;
        }
    }

    /// Returns whether a match begins at the start of `text`.
    [[nodiscard]] bool begins(std::string_view text) {
        budget_ = base_budget;
        bool hard = false;
        return match_at(text, 0, hard).has_value();
    }

private:
    static constexpr std::uint32_t few_steps = 1000;
    static constexpr std::size_t base_budget = 10'000'000;
    static constexpr std::size_t budget_per_byte = 64;
    static constexpr std::uint32_t max_kibibytes = 65536;
    static constexpr std::uint32_t deepest = 1'000'000;

    /// Returns the first match that begins at `at` or later, before the end of the text.
    std::optional<match> next_match(std::string_view text, std::size_t at) {
        while (at < text.size()) {
            const int result = run(text, at, few_steps, 0);
            if (result >= 0) return checked_match(text, at);
            if (result == PCRE2_ERROR_NOMATCH) return std::nullopt;
            // Some position from here on needs more steps: tries each separately up to that one.
            for (bool hard = false; !hard && at < text.size(); at += look_at_utf8(text.substr(at)).needed) {
                if (const std::optional<match> here = match_at(text, at, hard)) return here;
            }
        }
        return std::nullopt;
    }
    /// Returns the match that begins at `at`.
    /// @param hard set to true when the low step limit was not enough
    std::optional<match> match_at(std::string_view text, std::size_t at, bool& hard) {
        for (std::uint32_t steps = few_steps;; steps *= 8) {
            const int result = run(text, at, steps, PCRE2_ANCHORED);
            if (result == PCRE2_ERROR_NOMATCH) return std::nullopt;
            if (result >= 0) return checked_match(text, at);
            if (result != PCRE2_ERROR_MATCHLIMIT) too_hard(pcre2_reason(result));
            if (budget_ < std::size_t{steps} * 8) too_hard("too many steps");
            budget_ -= std::size_t{steps} * 8;
            hard = true;
        }
    }
    int run(std::string_view text, std::size_t at, std::uint32_t steps, std::uint32_t options) {
        pcre2_set_match_limit_8(context_.get(), steps);
        return pcre2_match_8(pattern_->code(), reinterpret_cast<PCRE2_SPTR8>(text.data()), text.size(), at,
                             options | PCRE2_NO_UTF_CHECK, data_.get(), context_.get());
    }
    match checked_match(std::string_view text, std::size_t at) const {
        const std::size_t* const offsets = pcre2_get_ovector_pointer_8(data_.get());
        // \K can set a match's start anywhere.
        if (offsets[0] < at || offsets[1] < offsets[0] || offsets[1] > text.size()) too_hard("a match out of order");
        return {offsets[0], offsets[1]};
    }
    [[noreturn]] void too_hard(std::string_view reason) const {
        fail(errc::unsupported, pattern_->where(), ": expected a pattern that runs on this text, found: ", reason);
    }

    const pattern* pattern_;
    std::unique_ptr<pcre2_match_data_8, pcre2_deleter<pcre2_match_data_free_8>> data_;
    std::unique_ptr<pcre2_match_context_8, pcre2_deleter<pcre2_match_context_free_8>> context_;
    std::size_t budget_ = 0;
};

}  // namespace text::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
