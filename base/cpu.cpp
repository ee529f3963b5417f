#include "base/cpu.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

namespace cppx {
namespace {

std::optional<double> read_number(const std::filesystem::path& file) {
  std::ifstream in(file);
  double value = 0;
  if (in >> value) return value;
  return std::nullopt;
}

std::optional<double> cgroup_quota(const std::filesystem::path& root) {
  std::ifstream v2(root / "sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (v2 >> quota >> period) {
    if (quota == "max" || period <= 0) return std::nullopt;
    return std::strtod(quota.c_str(), nullptr) / period;
  }
  const auto v1_quota = read_number(root / "sys/fs/cgroup/cpu/cpu.cfs_quota_us");
  const auto v1_period = read_number(root / "sys/fs/cgroup/cpu/cpu.cfs_period_us");
  if (v1_quota && v1_period && *v1_quota > 0 && *v1_period > 0) return *v1_quota / *v1_period;
  return std::nullopt;
}

}  // namespace

unsigned available_cpus(const std::filesystem::path& root) {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  unsigned cpus = 1;
  if (sched_getaffinity(0, sizeof(mask), &mask) == 0)
    cpus = static_cast<unsigned>(std::max(1, CPU_COUNT(&mask)));
  if (const auto quota = cgroup_quota(root); quota && *quota > 0)
    cpus = static_cast<unsigned>(std::clamp(std::ceil(*quota), 1.0, static_cast<double>(cpus)));
  return cpus;
}

}  // namespace cppx
