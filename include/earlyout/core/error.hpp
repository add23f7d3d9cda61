// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CORE_ERROR_HPP
#define EARLYOUT_CORE_ERROR_HPP

#include <earlyout/core/config.hpp>

#include <locale>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// What went wrong, for programs; `error::what()` is the sentence for people.
enum class errc {
    invalid_argument,  ///< the caller asked for something that has no meaning (empty prompt, layer 0)
    out_of_range,      ///< an index or id lies outside what the model or the session holds
    no_such_file,      ///< a file or folder that is needed does not exist or cannot be read
    malformed_file,    ///< a file breaks its own format
    missing_tensor,    ///< a checkpoint lacks a tensor that the architecture needs
    wrong_shape,       ///< a tensor's shape is not what the configuration implies
    wrong_value,       ///< a value that no computation can use (NaN, infinity, a negative size)
    unsupported,       ///< valid input that this version does not run; the message names the feature
    mismatch,          ///< two things that do not belong together (a sidecar fitted for another model)
    io                 ///< the operating system refused (mapping, writing)
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
    }
    return "unknown";
}

/// The only exception the library throws: one line that names the file, the thing, what was expected
/// and what was found, and a code.
class error : public std::runtime_error {
public:
    error(errc code, const std::string& message) : std::runtime_error(message), code_(code) {}

    [[nodiscard]] errc code() const noexcept { return code_; }

private:
    errc code_;
};

/// Throws `error` with a message made of the streamed parts.
template <class... Parts>
[[noreturn]] void fail(errc code, const Parts&... parts) {
    std::ostringstream message;
    message.imbue(std::locale::classic());  // 50257, whatever the program's locale makes of it
    (message << ... << parts);
    throw error(code, std::move(message).str());
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
