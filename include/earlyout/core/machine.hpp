// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CORE_MACHINE_HPP
#define EARLYOUT_CORE_MACHINE_HPP

#include <earlyout/core/config.hpp>
#include <earlyout/core/platform.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

/// @file What the machine, or the container around the process, lets it use. Nothing here fails: a limit that cannot be
/// read is no limit.

namespace earlyout { inline namespace EARLYOUT_ABI {

namespace detail {

/// Returns the whole file, or nothing where it cannot be read.
[[nodiscard]] inline std::string text_of(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return in ? std::string(std::istreambuf_iterator<char>(in), {}) : std::string();
}

/// Returns the number that a text begins with; nothing for "max", -1 and whatever else is no number.
[[nodiscard]] inline std::optional<std::uint64_t> leading_number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (problem != std::errc{} || end == text.data()) return std::nullopt;
    return value;
}

/// Returns the number behind a key in lines of "key number" or "key: number"; nothing where the key is missing.
[[nodiscard]] inline std::optional<std::uint64_t> number_after(std::string_view text, std::string_view key) {
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        std::string_view line = text.substr(begin, end - begin);
        begin = end + 1;
        if (!line.starts_with(key)) continue;
        line.remove_prefix(key.size());
        const std::size_t digits = line.find_first_not_of(": \t");
        if (digits != 0 && digits != line.npos) return leading_number(line.substr(digits));
    }
    return std::nullopt;
}

/// Returns the processors of a quota, rounded up: a thread more than the quota only waits at times.
[[nodiscard]] inline std::optional<std::size_t> processors_of_quota(std::optional<std::uint64_t> quota,
                                                                    std::optional<std::uint64_t> period) {
    if (!quota || !period || *quota == 0 || *period == 0) return std::nullopt;
    return static_cast<std::size_t>((*quota - 1) / *period + 1);
}

/// Returns the processors of a cgroup's `cpu.max`, "QUOTA PERIOD"; nothing for "max PERIOD", no limit.
[[nodiscard]] inline std::optional<std::size_t> processors_of_cpu_max(std::string_view text) {
    const std::size_t space = text.find(' ');
    if (space == text.npos) return std::nullopt;
    return processors_of_quota(leading_number(text), leading_number(text.substr(space + 1)));
}

/// Returns the smaller where both are there.
template <class T>
[[nodiscard]] std::optional<T> smaller(std::optional<T> a, std::optional<T> b) {
    return a && b ? std::min(*a, *b) : a ? a : b;
}

/// Calls `visit` with each folder of a process's cgroup and of those around it, from the innermost out. A container may
/// see the outermost alone, under any name.
/// @param mounts     where cgroups are mounted, /sys/fs/cgroup
/// @param membership the text of /proc/self/cgroup
/// @param controller of version 1, such as "cpu"; empty: version 2
template <class Visit>
void for_each_cgroup(const std::filesystem::path& mounts, std::string_view membership, std::string_view controller,
                     Visit visit) {
    for (std::size_t begin = 0; begin < membership.size();) {
        const std::size_t end = std::min(membership.find('\n', begin), membership.size());
        const std::string_view line = membership.substr(begin, end - begin);  // "4:cpu,cpuacct:/path", "0::/path"
        begin = end + 1;
        const std::size_t names = line.find(':');
        const std::size_t path = names == line.npos ? names : line.find(':', names + 1);
        if (path == line.npos) continue;
        const std::string listed = "," + std::string(line.substr(names + 1, path - names - 1)) + ",";
        if (controller.empty() ? listed != ",," : listed.find("," + std::string(controller) + ",") == listed.npos) {
            continue;
        }
        std::filesystem::path below = std::filesystem::path(line.substr(path + 1)).relative_path();
        for (; !below.empty(); below = below.parent_path()) visit(mounts / controller / below);
        visit(mounts / controller);
    }
}

/// Returns the processors that the process's cgroups give it.
[[nodiscard]] inline std::optional<std::size_t> cgroup_processors(const std::filesystem::path& mounts,
                                                                  std::string_view membership) {
    std::optional<std::size_t> least;
    for_each_cgroup(mounts, membership, "", [&](const std::filesystem::path& group) {
        least = smaller(least, processors_of_cpu_max(text_of(group / "cpu.max")));
    });
    for_each_cgroup(mounts, membership, "cpu", [&](const std::filesystem::path& group) {
        least = smaller(least, processors_of_quota(leading_number(text_of(group / "cpu.cfs_quota_us")),
                                                   leading_number(text_of(group / "cpu.cfs_period_us"))));
    });
    return least;
}

/// Returns what is left below a limit, in bytes. Cached files count as used but make room when memory is asked for.
[[nodiscard]] inline std::optional<std::uint64_t> memory_left(std::optional<std::uint64_t> limit,
                                                              std::optional<std::uint64_t> used,
                                                              std::string_view statistics) {
    if (!limit || !used) return std::nullopt;
    std::uint64_t taken = *used;
    for (const char* key : {"inactive_file", "active_file", "slab_reclaimable"}) {
        taken -= std::min(taken, number_after(statistics, key).value_or(0));
    }
    return *limit - std::min(*limit, taken);
}

/// Returns the bytes that the process's cgroups have left for it.
[[nodiscard]] inline std::optional<std::uint64_t> cgroup_memory(const std::filesystem::path& mounts,
                                                                std::string_view membership) {
    std::optional<std::uint64_t> least;
    const auto look = [&](const std::filesystem::path& group, const char* limit, const char* used) {
        least = smaller(least, memory_left(leading_number(text_of(group / limit)),
                                           leading_number(text_of(group / used)), text_of(group / "memory.stat")));
    };
    for_each_cgroup(mounts, membership, "", [&](const auto& group) { look(group, "memory.max", "memory.current"); });
    for_each_cgroup(mounts, membership, "memory",
                    [&](const auto& group) { look(group, "memory.limit_in_bytes", "memory.usage_in_bytes"); });
    return least;
}

}  // namespace detail

/// Returns how many processors this process may use, at least 1: those it is bound to, within the limit of its
/// container (cgroup versions 1 and 2).
[[nodiscard]] inline std::size_t usable_processors() {
    std::size_t found = platform::bound_processors();
    if (found == 0) found = std::max(1u, std::thread::hardware_concurrency());
    const auto limit = detail::cgroup_processors("/sys/fs/cgroup", detail::text_of("/proc/self/cgroup"));
    return std::min(found, limit.value_or(found));
}

/// Returns how many bytes of memory this process can still take without pushing others out: what the machine has left,
/// within the limit of its container. Nothing where the system does not say.
[[nodiscard]] inline std::optional<std::uint64_t> available_memory() {
    auto found = detail::number_after(detail::text_of("/proc/meminfo"), "MemAvailable");
    if (found) *found <<= 10;  // "kB"
    return detail::smaller(found, detail::cgroup_memory("/sys/fs/cgroup", detail::text_of("/proc/self/cgroup")));
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
