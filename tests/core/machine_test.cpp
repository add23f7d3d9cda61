// SPDX-License-Identifier: MIT
#include <earlyout/core/machine.hpp>

#include <filesystem>
#include <string>

#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

namespace eo = earlyout;

TEST_CASE("a cgroup's CPU quota is rounded up to whole processors", "[machine]") {
    using eo::detail::processors_of_cpu_max;
    CHECK(processors_of_cpu_max("200000 100000\n") == 2);
    CHECK(processors_of_cpu_max("150000 100000\n") == 2);
    CHECK(processors_of_cpu_max("50000 100000\n") == 1);
    CHECK(processors_of_cpu_max("1 100000\n") == 1);
    CHECK(processors_of_cpu_max("300000 50000") == 6);
    for (const char* no_limit : {"max 100000\n", "", "200000", "x y", "0 100000", "100000 0", "-1 100000"}) {
        CAPTURE(no_limit);
        CHECK_FALSE(processors_of_cpu_max(no_limit));
    }
}

TEST_CASE("the tightest of the cgroups around a process counts", "[machine]") {
    const support::temporary_folder mounts;
    std::filesystem::create_directories(mounts / "a/b");
    mounts.write("a/cpu.max", "400000 100000\n");
    mounts.write("a/b/cpu.max", "max 100000\n");
    CHECK(eo::detail::cgroup_processors(mounts.path(), "0::/a/b\n") == 4);
    mounts.write("a/b/cpu.max", "300000 100000\n");
    CHECK(eo::detail::cgroup_processors(mounts.path(), "0::/a/b\n") == 3);
    CHECK(eo::detail::cgroup_processors(mounts.path(), "0::/a\n") == 4);
    CHECK_FALSE(eo::detail::cgroup_processors(mounts.path(), "0::/\n"));
    CHECK_FALSE(eo::detail::cgroup_processors(mounts.path(), ""));
    // Version 1, where the container does not see the path that the process is told.
    std::filesystem::create_directories(mounts / "cpu");
    mounts.write("cpu/cpu.cfs_quota_us", "250000\n");
    mounts.write("cpu/cpu.cfs_period_us", "100000\n");
    CHECK(eo::detail::cgroup_processors(mounts.path(), "3:cpuset:/x\n2:cpu,cpuacct:/docker/0123\n0::/\n") == 3);
    mounts.write("cpu/cpu.cfs_quota_us", "-1\n");
    CHECK_FALSE(eo::detail::cgroup_processors(mounts.path(), "2:cpu,cpuacct:/docker/0123\n"));
}

TEST_CASE("memory that is left: the limit less what is used and not only cached", "[machine]") {
    const support::temporary_folder mounts;
    std::filesystem::create_directories(mounts / "a");
    mounts.write("a/memory.max", "1000\n");
    mounts.write("a/memory.current", "700\n");
    CHECK(eo::detail::cgroup_memory(mounts.path(), "0::/a\n") == 300u);
    mounts.write("a/memory.stat", "anon 400\ninactive_file 100\nactive_file 150\nslab_reclaimable 50\n");
    CHECK(eo::detail::cgroup_memory(mounts.path(), "0::/a\n") == 600u);
    mounts.write("a/memory.current", "5000\n");
    CHECK(eo::detail::cgroup_memory(mounts.path(), "0::/a\n") == 0u);
    mounts.write("a/memory.max", "max\n");
    CHECK_FALSE(eo::detail::cgroup_memory(mounts.path(), "0::/a\n"));
    std::filesystem::create_directories(mounts / "memory");
    mounts.write("memory/memory.limit_in_bytes", "2000\n");
    mounts.write("memory/memory.usage_in_bytes", "500\n");
    CHECK(eo::detail::cgroup_memory(mounts.path(), "4:memory:/away\n0::/a\n") == 1500u);
    CHECK(eo::detail::number_after("MemTotal:   12 kB\nMemAvailable:   34 kB\n", "MemAvailable") == 34u);
    CHECK_FALSE(eo::detail::number_after("MemTotal:   12 kB\n", "Mem"));
}

TEST_CASE("this machine has a processor and memory", "[machine]") {
    CHECK(eo::usable_processors() >= 1);
    if (const auto bytes = eo::available_memory()) CHECK(*bytes > 0);
}
