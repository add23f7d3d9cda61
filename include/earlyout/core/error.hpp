// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CORE_ERROR_HPP
#define EARLYOUT_CORE_ERROR_HPP

#include <earlyout/core/config.hpp>

#include <algorithm>
#include <cstddef>
#include <locale>
#include <new>
#include <ostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Category of an error, for programs; `error::what()` is the message for people.
enum class errc {
    invalid_argument,  ///< the caller requested something meaningless (empty prompt, layer 0)
    out_of_range,      ///< an index or id is outside the range of the model or the session
    no_such_file,      ///< a file or folder that is needed does not exist or cannot be read
    malformed_file,    ///< a file breaks its own format
    missing_tensor,    ///< a checkpoint lacks a tensor that the architecture needs
    wrong_shape,       ///< a tensor's shape is not what the configuration implies
    wrong_value,       ///< a value that no computation can use (NaN, infinity, a negative size)
    unsupported,       ///< valid input that this version does not run; the message names the feature
    mismatch,          ///< two things that do not belong together (a sidecar fitted for another model)
    io,                ///< the operating system refused (mapping, writing)
    out_of_memory,     ///< there is not enough memory
    resources          ///< the operating system has no more of something else, such as threads
};

/// Name of an error code, e.g. "malformed_file".
[[nodiscard]] constexpr const char* to_string(errc code) noexcept {
    switch (code) {
        case errc::invalid_argument: return "invalid_argument";
        case errc::out_of_range: return "out_of_range";
        case errc::no_such_file: return "no_such_file";
        case errc::malformed_file: return "malformed_file";
        case errc::missing_tensor: return "missing_tensor";
        case errc::wrong_shape: return "wrong_shape";
        case errc::wrong_value: return "wrong_value";
        case errc::unsupported: return "unsupported";
        case errc::mismatch: return "mismatch";
        case errc::io: return "io";
        case errc::out_of_memory: return "out_of_memory";
        case errc::resources: return "resources";
    }
    return "unknown";
}

/// The only exception thrown by the library: one line that names the file, the item, what was expected and what was
/// found, and a code.
class error : public std::runtime_error {
public:
    error(errc code, const std::string& message) : std::runtime_error(message), code_(code) {}
    /// Makes an error without a message: for when there is no memory for one.
    explicit error(errc code) : std::runtime_error(std::string()), code_(code) {}

    [[nodiscard]] errc code() const noexcept { return code_; }
    [[nodiscard]] const char* what() const noexcept override {
        const char* const sentence = std::runtime_error::what();
        if (*sentence != '\0') return sentence;
        return code_ == errc::out_of_memory ? "not enough memory" : to_string(code_);
    }

private:
    errc code_;
};

namespace detail {

/// Returns at most 160 characters of a text that may come from a file; unprintable characters become '?'.
[[nodiscard]] inline std::string printable(std::string_view text) {
    constexpr std::size_t longest = 160;
    std::string made(text.substr(0, longest));
    if (text.size() > longest) made += "...";
    std::ranges::replace_if(
        made, [](char c) { return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e; }, '?');
    return made;
}

/// Returns a path as a message shows it: whole, without control characters.
[[nodiscard]] inline std::string printable_path(std::string_view path) {
    constexpr std::size_t longest = 4096;
    std::string made(path.substr(0, longest));
    std::ranges::replace_if(
        made, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
    return made;
}

/// A part of a message, whose type only `write` knows.
struct message_part {
    const void* value;
    void (*write)(std::ostream&, const void*);
};

inline void write_literal(std::ostream& out, const void* text) { out << static_cast<const char*>(text); }
template <class Value>
void write_value(std::ostream& out, const void* value) {
    out << *static_cast<const Value*>(value);
}
/// Strings that are not literals may come from a file.
template <class Text>
void write_text(std::ostream& out, const void* text) {
    out << printable(*static_cast<const Text*>(text));
}
template <class Text>
void write_path(std::ostream& out, const void* path) {
    out << printable_path(*static_cast<const Text*>(path));
}

template <class Part>
inline constexpr bool is_text = std::is_same_v<Part, std::string> || std::is_same_v<Part, std::string_view>;

template <class Part>
[[nodiscard]] message_part to_part(const Part& part) noexcept {
    if constexpr (std::is_convertible_v<const Part&, const char*>) {
        return {static_cast<const char*>(part), write_literal};
    } else if constexpr (is_text<Part>) {
        return {&part, write_text<Part>};
    } else {
        return {&part, write_value<Part>};
    }
}
template <class Part>
[[nodiscard]] message_part to_first_part(const Part& part) noexcept {
    if constexpr (is_text<Part>) {
        return {&part, write_path<Part>};
    } else {
        return to_part(part);
    }
}

/// Throws `error` with a message made of these parts.
[[noreturn]] inline void fail_with(errc code, const message_part* parts, std::size_t count) {
    std::string sentence;
    try {
        std::ostringstream message;
        message.exceptions(std::ios_base::badbit);  // or the message would be truncated silently
        message.imbue(std::locale::classic());      // 50257, whatever the program's locale makes of it
        for (std::size_t i = 0; i < count; ++i) parts[i].write(message, parts[i].value);
        sentence = std::move(message).str();
    } catch (const std::bad_alloc&) {
        throw error(code);
    }
    throw error(code, sentence);
}

}  // namespace detail

/// Throws `error` with a message made of the streamed parts. Strings among them, which may come from a file, are
/// shortened and made printable; the first may be a path, which stays whole.
template <class First, class... Parts>
[[noreturn]] void fail(errc code, const First& first, const Parts&... parts) {
    const detail::message_part all[] = {detail::to_first_part(first), detail::to_part(parts)...};
    detail::fail_with(code, all, sizeof...(parts) + 1);
}

namespace detail {

/// Call within a catch block: rethrows what was caught, as an `error` that names `what` if memory or the operating
/// system is the cause. Exceptions from a caller's own functions pass through.
[[noreturn]] inline void rethrow_as_error(std::string_view what) {
    try {
        throw;
    } catch (const error&) {
        throw;
    } catch (const std::bad_alloc&) {
        // Falls through, so that the exception's own memory is free again.
    } catch (const std::length_error&) {
    } catch (const std::system_error& e) {
        const bool no_memory = e.code() == std::errc::not_enough_memory;
        const bool exhausted = e.code() == std::errc::resource_unavailable_try_again;
        fail(no_memory   ? errc::out_of_memory
             : exhausted ? errc::resources
                         : errc::io,
             what, ": ", std::string(e.what()));
    }
    fail(errc::out_of_memory, what, ": not enough memory");
}

/// Returns body(), with exceptions as rethrow_as_error() throws them.
template <class Body>
decltype(auto) only_errors(std::string_view what, Body&& body) {
    try {
        return std::forward<Body>(body)();
    } catch (...) {
        rethrow_as_error(what);
    }
}

}  // namespace detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
