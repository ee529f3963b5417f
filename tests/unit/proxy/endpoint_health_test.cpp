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
using HealthTime = EndpointHealth::Time;

constexpr HealthTime kHealthStart{1h};
constexpr double kNoJitter = 0.5;
const routing::EjectionSettings kSettings{
    .failures = 3, .first = 1s, .longest = 4s, .return_time = 10s
};

struct HealthFixture {
  std::atomic<std::uint64_t> changes{0};
  EndpointHealth health{changes};

  void fail(int times, HealthTime now) {
    for (int i = 0; i < times; ++i) health.on_failure(kSettings, now, kNoJitter);
  }
  void succeed(HealthTime now) { health.on_success(kSettings.return_time, now); }
  [[nodiscard]] Phase phase() const { return health.state().phase; }
};

}  // namespace

TEST_CASE("EndpointHealth: failures in a row eject", "[proxy]") {
  HealthFixture test;
  CHECK(test.health.spotless());
  test.fail(2, kHealthStart);
  CHECK_FALSE(test.health.spotless());
  CHECK(test.phase() == Phase::kHealthy);
  CHECK(test.changes == 0);
  test.succeed(kHealthStart);
  CHECK(test.health.spotless());
  test.fail(2, kHealthStart);
  CHECK(test.phase() == Phase::kHealthy);
  test.fail(1, kHealthStart);
  CHECK(test.phase() == Phase::kEjected);
  CHECK(test.health.state().time == kHealthStart + 1s);
  CHECK(test.changes == 1);
}

TEST_CASE("EndpointHealth: comes back by one probe, then with rising shares", "[proxy]") {
  HealthFixture test;
  test.fail(3, kHealthStart);
  CHECK_FALSE(test.health.claim_probe(kHealthStart + 999ms));
  CHECK(test.health.claim_probe(kHealthStart + 1s));
  CHECK_FALSE(test.health.claim_probe(kHealthStart + 1s));
  CHECK(test.phase() == Phase::kProbing);
  test.succeed(kHealthStart + 2s);
  CHECK(test.phase() == Phase::kReturning);
  test.succeed(kHealthStart + 11s);
  CHECK(test.phase() == Phase::kReturning);
  test.succeed(kHealthStart + 12s);
  CHECK(test.phase() == Phase::kHealthy);
  CHECK(test.health.spotless());
  CHECK(test.changes == 4);
}

TEST_CASE("EndpointHealth: a probe that fails ejects for longer, up to a limit", "[proxy]") {
  HealthFixture test;
  HealthTime now = kHealthStart;
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
  HealthFixture test;
  test.fail(3, kHealthStart);
  REQUIRE(test.health.claim_probe(kHealthStart + 1s));
  CHECK_FALSE(test.health.claim_probe(kHealthStart + 5s));
  CHECK(test.health.claim_probe(kHealthStart + 6s));
}

TEST_CASE("EndpointHealth: a probe whose connection stays is as good as an answer", "[proxy]") {
  HealthFixture test;
  test.health.on_connection(kHealthStart);
  CHECK(test.health.spotless());
  test.fail(3, kHealthStart);
  test.health.on_connection(kHealthStart + 500ms);
  CHECK(test.phase() == Phase::kEjected);
  REQUIRE(test.health.claim_probe(kHealthStart + 1s));
  test.health.on_connection(kHealthStart + 1s);
  CHECK_FALSE(test.health.claim_probe(kHealthStart + 9s));
  const auto tried_out = [&test](HealthTime now) {
    return EndpointHealth::is_tried_out(test.health.state(), now);
  };
  CHECK(tried_out(kHealthStart + 1999ms));
  CHECK_FALSE(tried_out(kHealthStart + 2s));

  SECTION("it fails soon, and for longer") {
    test.fail(1, kHealthStart + 1500ms);
    CHECK(test.phase() == Phase::kEjected);
    CHECK(test.health.state().time == kHealthStart + 3500ms);
  }
  SECTION("it is answered") {
    test.succeed(kHealthStart + 1500ms);
    CHECK(test.phase() == Phase::kReturning);
    CHECK(test.health.state().time == kHealthStart + 1500ms);
  }
  SECTION("it fails later, like any other request") {
    test.health.on_connection(kHealthStart + 2s);
    test.fail(2, kHealthStart + 2s);
    CHECK(test.phase() == Phase::kReturning);
    test.fail(1, kHealthStart + 2s);
    CHECK(test.health.state().time == kHealthStart + 4s);
  }
}

TEST_CASE("EndpointHealth: while it is ejected, late results count for nothing", "[proxy]") {
  HealthFixture test;
  test.fail(3, kHealthStart);
  test.fail(5, kHealthStart + 500ms);
  test.succeed(kHealthStart + 600ms);
  CHECK(test.phase() == Phase::kEjected);
  CHECK(test.health.state().time == kHealthStart + 1s);
  CHECK(test.changes == 1);
}

TEST_CASE("EndpointHealth: jitter varies the time; no failures means never", "[proxy]") {
  HealthFixture early;
  HealthFixture late;
  for (int i = 0; i < 3; ++i) {
    early.health.on_failure(kSettings, kHealthStart, 0);
    late.health.on_failure(kSettings, kHealthStart, 0.999);
  }
  CHECK(early.health.state().time == kHealthStart + 800ms);
  CHECK(late.health.state().time > kHealthStart + 1190ms);
  HealthFixture never;
  auto off = kSettings;
  off.failures = 0;
  for (int i = 0; i < 100; ++i) never.health.on_failure(off, kHealthStart, 0);
  CHECK(never.health.spotless());
}

TEST_CASE("EndpointHealth: a new one may start slowly", "[proxy]") {
  HealthFixture test;
  test.health.start_slowly(kHealthStart);
  CHECK(test.phase() == Phase::kStarting);
  test.health.on_success(30s, kHealthStart + 29s);
  CHECK(test.phase() == Phase::kStarting);
  test.health.on_success(30s, kHealthStart + 30s);
  CHECK(test.phase() == Phase::kHealthy);
}

TEST_CASE(
    "EndpointHealth: of several starts the last one counts, and an ejection more", "[proxy]"
) {
  HealthFixture test;
  test.health.start_slowly(kHealthStart + 5s);
  test.health.start_slowly(kHealthStart + 5s);
  test.health.start_slowly(kHealthStart);
  CHECK(test.health.state().time == kHealthStart + 5s);
  CHECK(test.changes == 1);
  test.health.start_slowly(kHealthStart + 9s);
  CHECK(test.phase() == Phase::kStarting);
  CHECK(test.health.state().time == kHealthStart + 9s);
  test.fail(3, kHealthStart + 9s);
  test.health.start_slowly(kHealthStart + 10s);
  CHECK(test.phase() == Phase::kEjected);
}

TEST_CASE("EndpointHealth: what joins begins anew, once for each time", "[proxy]") {
  HealthFixture test;
  test.fail(3, kHealthStart);
  REQUIRE(test.health.claim_probe(kHealthStart + 1s));
  test.fail(3, kHealthStart + 1s);
  test.health.join(kHealthStart + 2s);
  CHECK(test.health.spotless());
  CHECK(test.changes == 4);
  // Not even the length of its next ejection is inherited.
  test.fail(3, kHealthStart + 2s);
  CHECK(test.health.state().time == kHealthStart + 3s);
  // Another worker finds out late, or goes by an older snapshot.
  test.health.join(kHealthStart + 2s);
  test.health.join(kHealthStart + 1s);
  CHECK(test.phase() == Phase::kEjected);
  test.health.join(kHealthStart + 10s);
  CHECK(test.health.spotless());
  // What has joined with a slow start does not begin it again.
  test.health.start_slowly(kHealthStart + 10s);
  test.health.join(kHealthStart + 10s);
  CHECK(test.phase() == Phase::kStarting);
}

TEST_CASE("HealthRegistry: one record an address, forgotten when nobody keeps it", "[proxy]") {
  HealthRegistry registry;
  const auto address = [](std::uint16_t port) {
    return *routing::EndpointAddress::parse("10.0.0.1", port);
  };
  const auto first = registry.find_or_add(address(1));
  const auto again = registry.find_or_add(address(1));
  const auto other = registry.find_or_add(address(2));
  CHECK(first == again);
  CHECK(first != other);
  for (std::uint16_t port = 3; port < 10'000; ++port) registry.find_or_add(address(port));
  CHECK(registry.size() < 200);
  CHECK(registry.find_or_add(address(1)) == first);
}

}  // namespace cppx::proxy
