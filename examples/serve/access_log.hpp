// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_ACCESS_LOG_HPP
#define EARLYOUT_EXAMPLES_SERVE_ACCESS_LOG_HPP

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// @file One line of JSON for each finished request. Bodies, queries and headers never reach it, and so no API key.

namespace serve {

/// What is known of a finished request.
struct access_record {
    std::chrono::system_clock::time_point time;              ///< when the request had been read
    std::string client;                                      ///< address, without the port
    std::string method;                                      ///< empty: the request was not understood
    std::string target;                                      ///< a query is not logged
    int status = 0;                                          ///< 0: the client left before a reply began
    std::size_t request_bytes = 0;                           ///< of the body
    std::size_t response_bytes = 0;                          ///< of the body, without the framing of chunks
    double first_byte_ms = 0.0;                              ///< from `time` to the first byte of the reply
    double total_ms = 0.0;                                   ///< from `time` to the last one
    bool cancelled = false;                                  ///< the client left, or was cut off
    std::vector<std::pair<std::string, std::string>> notes;  ///< names and JSON values of reply_sink::note
};

/// Returns a time as "2026-01-31T12:00:00.123Z".
[[nodiscard]] std::string utc_text(std::chrono::system_clock::time_point time);
/// Returns the record as one line of JSON, without the end of line. A note that is not JSON is logged as text.
[[nodiscard]] std::string to_line(const access_record& record);

/// Writes records to a file or standard error. May be called from any thread.
class access_log {
public:
    /// Opens the log.
    /// @param path a file, which is appended to; "-": standard error; empty: nothing is logged
    /// @throws earlyout::error (io)
    explicit access_log(const std::string& path = {});

    /// Writes a record and hands it to the operating system at once. A line that cannot be written is dropped: a full
    /// disk does not end completions.
    void write(const access_record& record);

private:
    struct closer {
        void operator()(std::FILE* file) const noexcept {
            if (file != stderr) std::fclose(file);
        }
    };
    std::mutex mutex_;
    std::unique_ptr<std::FILE, closer> file_;
};

}  // namespace serve

#endif
