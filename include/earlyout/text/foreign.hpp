// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_FOREIGN_HPP
#define EARLYOUT_TEXT_FOREIGN_HPP

#include <earlyout/core/error.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text {

/// The format that a reader expects, which refuse_foreign() therefore does not report.
enum class content { safetensors, gguf, json };

/// Suffix of a message about a file that is shorter than its own header declares.
inline constexpr const char* cut_off = ": the file is truncated, such as by an incomplete download";

/// Returns true if a text begins with this, ignoring case.
[[nodiscard]] inline bool begins_with(std::string_view text, std::string_view lower_case) {
    return text.size() >= lower_case.size() &&
           std::ranges::equal(text.substr(0, lower_case.size()), lower_case, [](char a, char b) {
               return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + ('a' - 'A')) : a) == b;
           });
}

/// Returns the kind of a file that begins with these bytes, if it is a known kind that a reader of `expected` cannot
/// read; else empty. The one place that identifies such files.
[[nodiscard]] inline std::string foreign_content(std::string_view bytes, content expected) {
    using namespace std::string_view_literals;
    if (bytes.empty()) return "an empty file";
    if (bytes.starts_with("version https://git-lfs") || bytes.starts_with("version https://hawser")) {
        return "a Git LFS pointer: the file itself was not fetched (`git lfs pull` fetches it)";
    }
    if (bytes.starts_with("/annex/objects/")) {
        return "a git-annex pointer: the file itself was not fetched (`git annex get` fetches it)";
    }
    if (bytes.starts_with("GGUF")) return expected == content::gguf ? "" : "a GGUF file";
    if (bytes.size() > 8 && bytes[8] == '{' && bytes.substr(4, 4) == "\0\0\0\0"sv) {
        return expected == content::safetensors ? "" : "a safetensors file";
    }
    if (bytes.starts_with("PK\3\4"sv)) {
        // In files of torch.save, a local header's name, from byte 30 on, is NAME/data.pkl.
        const bool torch = bytes.substr(0, 256).find("/data.pkl") != bytes.npos;
        return torch ? "a PyTorch file (.bin, .pt): convert it to safetensors" : "a zip archive";
    }
    struct magic {
        std::string_view begins, what;
    };
    static constexpr magic known[] = {
        {"\x80\x02"sv, "a pickled PyTorch file (.bin, .pt): convert it to safetensors"},
        {"\x80\x03"sv, "a pickled Python object"},
        {"\x80\x04"sv, "a pickled Python object"},
        {"\x80\x05"sv, "a pickled Python object"},
        {"\x89HDF"sv, "an HDF5 file (.h5): convert it to safetensors"},
        {"lmgg"sv, "a GGML file from before GGUF: convert it with llama.cpp"},
        {"fmgg"sv, "a GGML file from before GGUF: convert it with llama.cpp"},
        {"tjgg"sv, "a GGML file from before GGUF: convert it with llama.cpp"},
        {"algg"sv, "a GGML adapter from before GGUF: convert it with llama.cpp"},
        {"\x93NUMPY"sv, "a NumPy array"},
        {"\x7f"
         "ELF"sv,
         "a program (ELF)"},
        {"\x1f\x8b"sv, "a gzip archive: unpack it"},
        {"BZh"sv, "a bzip2 archive: unpack it"},
        {"\xfd"
         "7zXZ"sv,
         "an xz archive: unpack it"},
        {"\x28\xb5\x2f\xfd"sv, "a zstd archive: unpack it"},
        {"7z\xbc\xaf"sv, "a 7z archive: unpack it"},
        {"%PDF"sv, "a PDF file"},
        {"\x89PNG"sv, "a PNG image"},
        {"\xff\xfe"sv, "a text in UTF-16: store it in UTF-8"},
        {"\xfe\xff"sv, "a text in UTF-16: store it in UTF-8"},
    };
    for (const magic& m : known) {
        if (bytes.starts_with(m.begins)) return std::string(m.what);
    }
    if (bytes.size() > 262 && bytes.substr(257, 5) == "ustar") return "a tar archive: unpack it";
    if (bytes.size() > 8 && bytes.substr(0, 4096).find_first_not_of('\0') == bytes.npos) {
        return "nothing but zeros: an incomplete download or copy";
    }
    std::string_view text = bytes.substr(0, 4096);
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
    if (text.empty()) return "nothing but white space";
    for (const std::string_view page : {"<!doctype"sv, "<html"sv, "<head"sv, "<body"sv, "<!--"sv}) {
        if (begins_with(text, page)) return "an HTML page, such as the saved response of a failed download";
    }
    for (const std::string_view page : {"<?xml"sv, "<error"sv}) {
        if (begins_with(text, page)) return "an XML page, such as the saved response of a failed download";
    }
    for (const std::string_view answer :
         {"entry not found"sv, "repository not found"sv, "not found"sv, "404"sv, "403"sv, "access to model"sv,
          "access denied"sv, "invalid username"sv, "invalid credentials"sv, "unauthorized"sv, "forbidden"sv,
          "too many requests"sv}) {
        if (begins_with(text, answer)) {
            return "the saved response of a failed download: '" + earlyout::detail::printable(text.substr(0, 60)) + "'";
        }
    }
    if (expected != content::json && (text[0] == '{' || text[0] == '[')) {
        return begins_with(text, "{\"error\"")
                   ? "the saved response of a failed download: " + earlyout::detail::printable(text.substr(0, 60))
                   : "a JSON file";
    }
    return {};
}

/// Refuses a file that is known not to be `expected`.
/// @param format "a safetensors file"
/// @throws error (malformed_file)
inline void refuse_foreign(std::string_view bytes, content expected, std::string_view source, const char* format) {
    const std::string found = foreign_content(bytes, expected);
    if (!found.empty()) fail(errc::malformed_file, source, ": expected ", format, ", found ", found);
}
inline void refuse_foreign(std::span<const std::byte> bytes, content expected, std::string_view source,
                           const char* format) {
    refuse_foreign({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, expected, source, format);
}

}  // namespace text
}}  // namespace earlyout::EARLYOUT_ABI

#endif
