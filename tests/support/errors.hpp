// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_SUPPORT_ERRORS_HPP
#define EARLYOUT_TESTS_SUPPORT_ERRORS_HPP

#include <earlyout/core/error.hpp>

#include <exception>
#include <initializer_list>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace support {

/// The outcome of an action, to compare with the expected one: `CHECK(error_of(...) == thrown(code, {words}))`.
struct thrown {
    thrown(earlyout::errc c, std::initializer_list<std::string_view> w)
        : code(to_string(c)), words(w.begin(), w.end()) {}
    std::string code;
    std::vector<std::string> words;
};

struct caught {
    std::string code;  ///< "none" when nothing was thrown, "other" when not an earlyout::error
    std::string message;
};

template <class Action>
caught error_of(Action&& action) {
    try {
        action();
    } catch (const earlyout::error& e) {
        return {to_string(e.code()), e.what()};
    } catch (const std::exception& e) {
        return {"other", e.what()};
    }
    return {"none", ""};
}

/// Same code, every word in the message, one line.
inline bool operator==(const caught& found, const thrown& expected) {
    for (const std::string& word : expected.words) {
        if (found.message.find(word) == std::string::npos) return false;
    }
    return found.code == expected.code && found.message.find('\n') == std::string::npos;
}

inline std::ostream& operator<<(std::ostream& out, const caught& found) {
    return out << found.code << ": " << found.message;
}
inline std::ostream& operator<<(std::ostream& out, const thrown& expected) {
    out << expected.code << " with";
    for (const std::string& word : expected.words) out << " '" << word << "'";
    return out;
}

}  // namespace support

#endif
