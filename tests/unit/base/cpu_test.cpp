#include "base/cpu.h"

#include <sched.h>

#include <algorithm>
#include <string_view>

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/base/fake_root.h"

namespace cppx {
namespace {

unsigned cpus_by_affinity() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  REQUIRE(sched_getaffinity(0, sizeof(mask), &mask) == 0);
  return static_cast<unsigned>(CPU_COUNT(&mask));
}

TEST_CASE("available_cpus: no quota gives the affinity mask", "[base]") {
  const FakeRoot root;
  CHECK(available_cpus(root.path()) == cpus_by_affinity());
  CHECK(available_cpus() >= 1);
}

TEST_CASE("available_cpus: cgroup v2 quota, rounded up, never more than the mask", "[base]") {
  const struct {
    std::string_view cpu_max;
    unsigned quota;  // 0: none
  } cases[] = {
      {"max 100000\n", 0},
      {"100000 100000\n", 1},
      {"50000 100000\n", 1},
      {"1 100000\n", 1},
      {"110000 100000\n", 2},
      {"200000 100000\n", 2},
      {"250000 100000\n", 3},
      {"9900000 100000\n", 99},
      {"100000 0\n", 0},
      {"nonsense 100000\n", 0},
      {"", 0},
      {"100000\n", 0},
      {"inf 100000\n", 9999},
      {"-1 100000\n", 0},
  };
  for (const auto& c : cases) {
    CAPTURE(c.cpu_max);
    const FakeRoot root;
    root.write("sys/fs/cgroup/cpu.max", c.cpu_max);
    const unsigned mask = cpus_by_affinity();
    CHECK(available_cpus(root.path()) == (c.quota == 0 ? mask : std::min(mask, c.quota)));
  }
}

TEST_CASE("available_cpus: cgroup v1 quota", "[base]") {
  const struct {
    std::string_view quota_us, period_us;
    unsigned quota;
  } cases[] = {
      {"-1\n", "100000\n", 0}, {"100000\n", "100000\n", 1}, {"150000\n", "100000\n", 2},
      {"10\n", "100000\n", 1}, {"100000\n", "0\n", 0},      {"100000\n", "", 0},
  };
  for (const auto& c : cases) {
    CAPTURE(c.quota_us, c.period_us);
    const FakeRoot root;
    root.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", c.quota_us);
    root.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", c.period_us);
    const unsigned mask = cpus_by_affinity();
    CHECK(available_cpus(root.path()) == (c.quota == 0 ? mask : std::min(mask, c.quota)));
  }
}

}  // namespace
}  // namespace cppx
