#pragma once

#include <filesystem>

namespace cppx {

/// CPUs this process may use, at least 1: the smaller of its affinity mask and the quota of its
/// cgroup (v2 cpu.max or v1 cpu.cfs_quota_us), rounded up. `root` is "/" but in tests.
unsigned available_cpus(const std::filesystem::path& root = "/");

}  // namespace cppx
