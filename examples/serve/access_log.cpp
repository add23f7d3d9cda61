// SPDX-License-Identifier: MIT
#include "access_log.hpp"

#include <earlyout/core/error.hpp>

#include <nlohmann/json.hpp>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <ctime>

namespace serve {

namespace {

/// Milliseconds with three digits: a log of doubles in full is hard to read.
double rounded_ms(double ms) { return std::round(ms * 1000.0) / 1000.0; }

}  // namespace

std::string utc_text(std::chrono::system_clock::time_point time) {
    using namespace std::chrono;
    const auto since_epoch = floor<milliseconds>(time.time_since_epoch());
    const std::time_t seconds_since = floor<seconds>(since_epoch).count();
    std::tm parts{};
    gmtime_r(&seconds_since, &parts);
    char text[48];
    const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    const auto ms = static_cast<int>((since_epoch % seconds(1)).count());
    std::snprintf(text + size, sizeof text - size, ".%03dZ", ms);
    return text;
}

std::string to_line(const access_record& record) {
    nlohmann::ordered_json line;
    line["time"] = utc_text(record.time);
    line["client"] = record.client;
    line["method"] = record.method;
    line["path"] = record.target.substr(0, record.target.find_first_of("?#"));
    line["status"] = record.status;
    line["request_bytes"] = record.request_bytes;
    line["response_bytes"] = record.response_bytes;
    line["first_byte_ms"] = rounded_ms(record.first_byte_ms);
    line["total_ms"] = rounded_ms(record.total_ms);
    line["cancelled"] = record.cancelled;
    for (const auto& [name, value] : record.notes) {
        if (line.contains(name)) continue;  // what HTTP knows is not overwritten
        auto parsed = nlohmann::ordered_json::parse(value, nullptr, false);
        if (parsed.is_discarded()) parsed = value;
        line[name] = std::move(parsed);
    }
    // Targets are bytes that a client chose.
    return line.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
}

access_log::access_log(const std::string& path) {
    if (path.empty()) return;
    file_.reset(path == "-" ? stderr : std::fopen(path.c_str(), "ae"));
    if (!file_) {
        earlyout::fail(earlyout::errc::io, path,
                       ": access log: expected a file that can be appended to, found: ", std::strerror(errno));
    }
}

void access_log::write(const access_record& record) {
    if (!file_) return;
    const std::string line = to_line(record) + '\n';
    const std::lock_guard lock(mutex_);
    std::fwrite(line.data(), 1, line.size(), file_.get());
    std::fflush(file_.get());
}

}  // namespace serve
