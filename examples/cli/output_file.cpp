// SPDX-License-Identifier: MIT
#include "output_file.hpp"

#include <earlyout/core/error.hpp>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace cli {

namespace {

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
    earlyout::fail(earlyout::errc::io, path, ": cannot be written: ", why);
}

}  // namespace

output_file::output_file(std::string path) : path_(std::move(path)) {
    if (path_.empty()) return;
    std::error_code problem;
    const auto found = std::filesystem::status(path_, problem);
    if (std::filesystem::is_directory(found)) refuse(path_, "it is a folder");
    const bool direct = std::filesystem::exists(found) && !std::filesystem::is_regular_file(found);
    if (!direct) {
        // Where a link leads to is replaced, not the link.
        const auto place = std::filesystem::weakly_canonical(path_, problem);
        part_ = problem ? std::filesystem::path(path_) : place;
        part_ += ".part";
    }
    errno = 0;
    file_.open(direct ? std::filesystem::path(path_) : part_, std::ios::binary);
    if (!file_) {
        part_.clear();
        refuse(path_, std::strerror(errno));
    }
}

output_file::~output_file() {
    std::error_code ignored;
    if (!part_.empty()) std::filesystem::remove(part_, ignored);
}

void output_file::write(std::string_view text) {
    errno = 0;
    file_ << text;
    file_.close();
    if (!file_) refuse(path_, errno != 0 ? std::strerror(errno) : "unknown reason");
    if (part_.empty()) return;
    std::error_code problem;
    std::filesystem::path place = part_;
    place.replace_extension();
    std::filesystem::rename(part_, place, problem);
    if (problem) refuse(path_, problem.message());
    part_.clear();
}

}  // namespace cli
