// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_DETAIL_NORMALIZER_HPP
#define EARLYOUT_TEXT_DETAIL_NORMALIZER_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/text/detail/pattern.hpp>
#include <earlyout/text/detail/unicode_forms.hpp>
#include <earlyout/text/detail/utf8.hpp>
#include <earlyout/text/detail/white_space.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text::detail {

/// One change to a text before it is split into words.
struct normalizer_step {
    enum class kind { prepend, replace, unicode, strip };

    kind what;
    std::string from;           ///< replace: this text, if there is no pattern
    std::optional<pattern> at;  ///< replace
    std::string to;             ///< prepend and replace
    unicode_form form{};        ///< unicode
    bool left = true;           ///< strip: white space at the start
    bool right = true;          ///< strip: and at the end
};

struct normalizer {
    std::vector<normalizer_step> steps;
    std::string source;  ///< begins the message of errors
};

/// Normalizes texts; for one thread.
class normalize_runner {
public:
    explicit normalize_runner(const normalizer& how) : how_(&how) {
        for (const normalizer_step& step : how.steps) {
            if (step.at) matchers_.emplace_back(*step.at);
        }
    }

    /// @param prepend whether the prefix of a text is added to this one
    /// @return valid until the next call, and as long as `text` is
    /// @throws error (unsupported) when the text grows beyond all limits
    [[nodiscard]] std::string_view operator()(std::string_view text, bool prepend) {
        const std::size_t longest = 1024 + 32 * text.size();
        auto matcher = matchers_.begin();
        int text_is_in = 2;  // index into made_
        for (const normalizer_step& step : how_->steps) {
            std::string& out = made_[text_is_in == 0 ? 1 : 0];
            out.clear();
            switch (step.what) {
                case normalizer_step::kind::prepend:
                    if (!prepend || text.empty()) continue;
                    out.append(step.to).append(text);
                    break;
                case normalizer_step::kind::replace:
                    if (step.at) {
                        replace(*matcher++, step.to, text, out, longest);
                    } else {
                        replace(step.from, step.to, text, out, longest);
                    }
                    break;
                case normalizer_step::kind::unicode:
                    if (!to_unicode_form(step.form, text, out)) continue;
                    break;
                case normalizer_step::kind::strip:
                    if (step.left) text.remove_prefix(white_space_prefix(text));
                    if (step.right) text.remove_suffix(white_space_suffix(text));
                    continue;
            }
            check(out, longest);
            text = out;
            text_is_in = text_is_in == 0 ? 1 : 0;
        }
        return text;
    }

private:
    void check(const std::string& out, std::size_t longest) const {
        if (out.size() > longest) {
            fail(errc::unsupported, how_->source, ": expected a text of at most ", longest, " bytes, found more");
        }
    }
    void replace(std::string_view from, std::string_view to, std::string_view text, std::string& out,
                 std::size_t longest) const {
        for (;;) {
            const std::size_t found = text.find(from);
            out.append(text.substr(0, found));
            if (found == std::string_view::npos) return;
            out.append(to);
            check(out, longest);
            text.remove_prefix(found + from.size());
        }
    }
    /// Patterns are applied to the runs of valid UTF-8.
    void replace(pattern_matcher& at, std::string_view to, std::string_view text, std::string& out,
                 std::size_t longest) const {
        while (!text.empty()) {
            const std::string_view valid = text.substr(0, valid_utf8_prefix(text));
            std::size_t done = 0;
            at.each_match(valid, [&](const pattern_matcher::match& m) {
                out.append(valid.substr(done, m.begin - done)).append(to);
                check(out, longest);
                done = m.end;
            });
            out.append(valid.substr(done));
            text.remove_prefix(valid.size());
            if (text.empty()) return;
            out += text.front();
            text.remove_prefix(1);
        }
    }

    const normalizer* how_;
    std::vector<pattern_matcher> matchers_;
    std::string made_[2];  // outputs of the steps, alternating
};

}  // namespace text::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
