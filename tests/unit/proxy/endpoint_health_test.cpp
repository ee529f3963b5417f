#include "proxy/upstream/endpoint_health.h"

#include <atomic>
#include <chrono>
#include <cstdint>

#include <catch2/catch_test_macros.hpp>

#include "proxy/upstream/health_registry.h"

namespace cppx::proxy {
namespace {

using namespace std::chrono_literals;
using Phase = EndpointHealth::Phase;
using Time = EndpointHealth::Time;

constexpr Time kStart{1h};
constexpr double kNoJitter = 0.5;
const routing::EjectionSettings kSettings{
    .failures = 3, .first = 1s, .longest = 4s, .return_time = 10s
};

struct Fixture {
  std::atomic<std::uint64_t> changes{0};
  EndpointHealth health{changes};

  void fail(int times, Time now) {
    for (int i = 0; i < times; ++i) health.on_failure(kSettings, now, kNoJitter);
  }
  void succeed(Time now) { health.on_success(kSettings.return_time, now); }
  [[nodiscard]] Phase phase() const { return health.state().phase; }
};

}  // namespace

TEST_CASE("EndpointHealth: failures in a row eject", "[proxy]") {
  Fixture test;
  CHECK(test.health.spotless());
  test.fail(2, kStart);
  CHECK_FALSE(test.health.spotless());
  CHECK(test.phase() == Phase::kHealthy);
  CHECK(test.changes == 0);
  test.succeed(kStart);
  CHECK(test.health.spotless());
  test.fail(2, kStart);
  CHECK(test.phase() == Phase::kHealthy);
  test.fail(1, kStart);
  CHECK(test.phase() == Phase::kEjected);
  CHECK(test.health.state().time == kStart + 1s);
  CHECK(test.changes == 1);
}

TEST_CASE("EndpointHealth: comes back by one probe, then with rising shares", "[proxy]") {
  Fixture test;
  test.fail(3, kStart);
  CHECK_FALSE(test.health.claim_probe(kStart + 999ms));
  CHECK(test.health.claim_probe(kStart + 1s));
  CHECK_FALSE(test.health.claim_probe(kStart + 1s));
  CHECK(test.phase() == Phase::kProbing);
  test.succeed(kStart + 2s);
  CHECK(test.phase() == Phase::kReturning);
  test.succeed(kStart + 11s);
  CHECK(test.phase() == Phase::kReturning);
  test.succeed(kStart + 12s);
  CHECK(test.phase() == Phase::kHealthy);
  CHECK(test.health.spotless());
  CHECK(test.changes == 4);
}

TEST_CASE("EndpointHealth: a probe that fails ejects for longer, up to a limit", "[proxy]") {
  Fixture test;
  Time now = kStart;
  test.fail(3, now);
  for (const auto length : {1s, 2s, 4s, 4s, 4s}) {
    CHECK(test.phase() == Phase::kEjected);
    CHECK(test.health.state().time == now + length);
    now += length;
    REQUIRE(test.health.claim_probe(now));
    test.fail(1, now);
  }
  // Not before it is healthy again is the past forgotten.
  now += 4s;
  REQUIRE(test.health.claim_probe(now));
  test.succeed(now);
  test.fail(3, now);
  CHECK(test.health.state().time == now + 4s);
  now += 4s;
  REQUIRE(test.health.claim_probe(now));
  test.succeed(now);
  now += 10s;
  test.succeed(now);
  test.fail(3, now);
  CHECK(test.health.state().time == now + 1s);
}

TEST_CASE("EndpointHealth: a probe that never ends is followed by another", "[proxy]") {
  Fixture test;
  test.fail(3, kStart);
  REQUIRE(test.health.claim_probe(kStart + 1s));
  CHECK_FALSE(test.health.claim_probe(kStart + 5s));
  CHECK(test.health.claim_probe(kStart + 6s));
}

TEST_CASE("EndpointHealth: while it is ejected, late results count for nothing", "[proxy]") {
  Fixture test;
  test.fail(3, kStart);
  test.fail(5, kStart + 500ms);
  test.succeed(kStart + 600ms);
  CHECK(test.phase() == Phase::kEjected);
  CHECK(test.health.state().time == kStart + 1s);
  CHECK(test.changes == 1);
}

TEST_CASE("EndpointHealth: jitter varies the time; no failures means never", "[proxy]") {
  Fixture early;
  Fixture late;
  for (int i = 0; i < 3; ++i) {
    early.health.on_failure(kSettings, kStart, 0);
    late.health.on_failure(kSettings, kStart, 0.999);
  }
  CHECK(early.health.state().time == kStart + 800ms);
  CHECK(late.health.state().time > kStart + 1190ms);
  Fixture never;
  auto off = kSettings;
  off.failures = 0;
  for (int i = 0; i < 100; ++i) never.health.on_failure(off, kStart, 0);
  CHECK(never.health.spotless());
}

TEST_CASE("EndpointHealth: a new one may start slowly", "[proxy]") {
  Fixture test;
  test.health.start_slowly(kStart);
  CHECK(test.phase() == Phase::kStarting);
  test.health.on_success(30s, kStart + 29s);
  CHECK(test.phase() == Phase::kStarting);
  test.health.on_success(30s, kStart + 30s);
  CHECK(test.phase() == Phase::kHealthy);
}

TEST_CASE("HealthRegistry: one record an address, forgotten when nobody keeps it", "[proxy]") {
  HealthRegistry registry;
  const auto address = [](std::uint16_t port) {
    return *routing::EndpointAddress::parse("10.0.0.1", port);
  };
  const auto first = registry.find_or_add(address(1));
  const auto again = registry.find_or_add(address(1));
  const auto other = registry.find_or_add(address(2));
  CHECK(first.is_new);
  CHECK_FALSE(again.is_new);
  CHECK(first.health == again.health);
  CHECK(first.health != other.health);
  for (std::uint16_t port = 3; port < 10'000; ++port) registry.find_or_add(address(port));
  CHECK(registry.size() < 200);
  CHECK(registry.find_or_add(address(1)).health == first.health);
}

}  // namespace cppx::proxy
