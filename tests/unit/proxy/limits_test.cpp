#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "features/rate_limit/leaky_bucket.h"
#include "features/rate_limit/policy.h"
#include "proxy/limit/rate_table.h"
#include "proxy/limit/request_count_table.h"
#include "proxy/limit/shared_limits.h"

namespace cppx::proxy {
namespace {

using features::BucketRate;

constexpr std::uint64_t kSecond = 1'000'000;
constexpr std::uint64_t kStartMs = 12'345'678'901;

/// How many of `tries` requests at one moment are let through.
int taken(
    RateTable& table, std::uint64_t key, std::uint64_t now, const BucketRate& rate, int tries
) {
  int count = 0;
  for (int i = 0; i < tries; ++i) count += table.take(key, now, rate) ? 1 : 0;
  return count;
}

TEST_CASE("RateTable: a burst at once, then the rate", "[proxy]") {
  const struct {
    std::uint64_t period, requests, multiplier;
    int at_once, a_period_later;
  } cases[] = {
      {kSecond, 1, 1, 2, 1},
      {kSecond, 1, 5, 6, 1},
      {kSecond, 10, 5, 51, 10},
      {60 * kSecond, 60, 1, 61, 60},
      {kSecond, 1'000'000, 1, 1'000'001, 1'000'000},
  };
  for (const auto& c : cases) {
    CAPTURE(c.requests, c.multiplier);
    RateTable table;
    const auto rate = BucketRate::of(c.period, c.requests, c.multiplier);
    CHECK(taken(table, 7, kStartMs, rate, c.at_once + 10) == c.at_once);
    CHECK(taken(table, 7, kStartMs + c.period, rate, c.at_once + 10) == c.a_period_later);
    CHECK(taken(table, 7, kStartMs + 1000 * c.period, rate, c.at_once + 10) == c.at_once);
  }
}

TEST_CASE("RateTable: one request after the other at the rate is never refused", "[proxy]") {
  RateTable table;
  const auto rate = BucketRate::of(kSecond, 3, 1);
  for (std::uint64_t i = 0; i < 1000; ++i)
    CHECK(table.take(7, kStartMs + i * rate.interval_us, rate));
}

TEST_CASE("RateTable: clients do not share", "[proxy]") {
  RateTable table;
  const auto rate = BucketRate::of(kSecond, 1, 1);
  for (std::uint64_t key = 1; key < 1000; ++key)
    CHECK(taken(table, key << 50 | key, kStartMs, rate, 5) == 2);
}

TEST_CASE("RateTable: many clients do not let one off that is over its rate", "[proxy]") {
  RateTable table;
  const auto rate = BucketRate::of(kSecond, 1, 5);
  const std::uint64_t hog = 0x1234567ULL << 42 | 3;
  CHECK(taken(table, hog, kStartMs, rate, 100) == 6);
  for (std::uint64_t i = 1; i < 1000; ++i) {
    // All in the hog's set.
    CHECK(table.take(i << 45 | 3, kStartMs, rate));
    CHECK_FALSE(table.take(hog, kStartMs, rate));
  }
}

TEST_CASE("RateTable: given back, a request has not been", "[proxy]") {
  RateTable table;
  const auto rate = BucketRate::of(kSecond, 1, 1);
  CHECK(taken(table, 7, kStartMs, rate, 5) == 2);
  table.give_back(7, kStartMs, rate);
  CHECK(taken(table, 7, kStartMs, rate, 5) == 1);
  table.give_back(8, kStartMs, rate);
  CHECK(taken(table, 8, kStartMs, rate, 5) == 2);
}

TEST_CASE("RateTable: what is left of another rate or another time holds nobody", "[proxy]") {
  RateTable table;
  const auto slow = BucketRate::of(60 * kSecond, 1, 5);
  const auto fast = BucketRate::of(kSecond, 10, 1);
  CHECK(taken(table, 7, kStartMs, slow, 10) == 6);
  CHECK(taken(table, 7, kStartMs, fast, 20) == 11);
  // Half a turn of the clock later the old time looks as if it lay ahead.
  CHECK(taken(table, 7, kStartMs + (3ULL << 40), fast, 20) == 11);
}

TEST_CASE("RateTable: a worker that has read the clock earlier finds the bucket full", "[proxy]") {
  for (const auto& rate : {BucketRate::of(kSecond, 100, 5), BucketRate::of(60 * kSecond, 60, 1)}) {
    for (const std::uint64_t earlier_us : {1U, 20U, 1000U, 100'000U}) {
      CAPTURE(rate.interval_us, earlier_us);
      RateTable table;
      CHECK(taken(table, 7, kStartMs, rate, 1000) == static_cast<int>(rate.burst) + 1);
      CHECK_FALSE(table.take(7, kStartMs - earlier_us, rate));
      CHECK(taken(table, 7, kStartMs, rate, 1000) == 0);
    }
  }
}

TEST_CASE("RateTable: clients of weeks ago leave their places to new ones", "[proxy]") {
  const auto rate = BucketRate::of(60 * kSecond, 1, 5);
  for (const std::uint64_t days : {26U, 40U, 50U}) {
    CAPTURE(days);
    RateTable table;
    for (std::uint64_t i = 1; i <= 8; ++i)
      CHECK(taken(table, i << 45 | 3, kStartMs, rate, 10) == 6);
    // Two of the same set, in turn: one must not push the other out.
    const std::uint64_t now = kStartMs + days * 24 * 3600 * kSecond;
    int first = 0;
    int second = 0;
    for (int i = 0; i < 100; ++i) {
      first += taken(table, 101ULL << 45 | 3, now, rate, 1);
      second += taken(table, 102ULL << 45 | 3, now, rate, 1);
    }
    CHECK(first == 6);
    CHECK(second == 6);
  }
}

/// As a keyed hash spreads them: splitmix64 of `client`.
std::uint64_t key_of(std::uint64_t client) {
  std::uint64_t z = client * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111eb;
  return z ^ (z >> 31U);
}

TEST_CASE("RateTable: 65536 clients have a bucket each, but for very few", "[proxy]") {
  RateTable table;
  const auto rate = BucketRate::of(60 * kSecond, 1, 1);
  constexpr std::uint64_t kClients = 65536;
  std::uint64_t passed = 0;
  for (int round = 0; round < 3; ++round)
    for (std::uint64_t client = 1; client <= kClients; ++client)
      passed += table.take(key_of(client), kStartMs, rate) ? 1U : 0U;
  CHECK(passed >= 2 * kClients);
  CHECK(passed <= 2 * kClients + 10);
}

TEST_CASE("RateTable: several threads together get the burst once", "[proxy]") {
  RateTable table;
  const auto rate = BucketRate::of(kSecond, 100, 10);
  std::atomic<int> sum = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int request = 0; request < 1000; ++request) {
        sum += taken(table, 7, kStartMs, rate, 1);
        // Who loses against the others 64 times in a row is let through.
        std::this_thread::yield();
      }
    });
  for (auto& thread : threads) thread.join();
  CHECK(sum == 1001);
}

TEST_CASE("RequestCountTable: so many at the same time", "[proxy]") {
  RequestCountTable table;
  std::vector<CountedRequest> held;
  for (int i = 0; i < 3; ++i) held.push_back(table.add(7, 3));
  for (const auto& request : held) CHECK(request);
  CHECK_FALSE(table.add(7, 3));
  CHECK(table.add(8, 3));
  CHECK_FALSE(table.add(9, 0));
  held.pop_back();
  CountedRequest again = table.add(7, 3);
  CHECK(again);
  CHECK_FALSE(table.add(7, 3));
  CountedRequest moved = std::move(again);
  CHECK(moved);
  moved = {};
  held.clear();
  for (int i = 0; i < 3; ++i) held.push_back(table.add(7, 3));
  for (const auto& request : held) CHECK(request);
}

TEST_CASE("RequestCountTable: clients beyond its places are refused", "[proxy]") {
  RequestCountTable table;
  std::vector<CountedRequest> held;
  for (std::uint64_t i = 1; i <= 8; ++i) held.push_back(table.add(i << 40 | 3, 1));
  for (const auto& request : held) CHECK(request);
  CHECK_FALSE(table.add(9ULL << 40 | 3, 1));
  CHECK(table.add(9ULL << 40 | 4, 1));
  held.pop_back();
  CHECK(table.add(9ULL << 40 | 3, 1));
}

TEST_CASE("RequestCountTable: 131072 clients have a place, but for very few", "[proxy]") {
  RequestCountTable table;
  std::vector<CountedRequest> held;
  constexpr std::uint64_t kClients = 131072;
  for (std::uint64_t client = 1; client <= kClients; ++client)
    if (CountedRequest counted = table.add(key_of(client), 1)) held.push_back(std::move(counted));
  CHECK(held.size() >= kClients - 10);
}

TEST_CASE("RequestCountTable: nothing is lost between threads", "[proxy]") {
  RequestCountTable table;
  const CountedRequest keeps_the_place = table.add(7, 1000);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 2000; ++k) {
        const CountedRequest a = table.add(7, 1000);
        const CountedRequest b = table.add(7, 1000);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(table.add(7, 2));
  CHECK_FALSE(table.add(7, 1));
}

struct Client {
  explicit Client(std::string_view text) : ip(*routing::IpAddress::parse(text)) {}
  std::uint16_t ask(SharedLimits& shared, const features::RateLimits& limits, std::uint64_t now) {
    CountedRequest counted;
    const auto status = shared.admit(limits, ip, now, counted);
    if (counted) held.push_back(std::move(counted));
    return status;
  }
  routing::IpAddress ip;
  std::vector<CountedRequest> held;
};

TEST_CASE("SharedLimits: each client, each Ingress and each kind on its own", "[proxy]") {
  SharedLimits shared({.low = 1, .high = 2});
  features::RateLimits limits{.zone = 1, .connections = 1, .per_second = 2, .burst_multiplier = 1};
  limits.rate_status = 429;
  Client a("192.0.2.1");
  Client b("2001:db8::1");
  Client c("2001:db8::2");
  CHECK(a.ask(shared, limits, kStartMs) == 0);
  CHECK(a.ask(shared, limits, kStartMs) == 503);
  a.held.clear();
  CHECK(a.ask(shared, limits, kStartMs) == 0);
  CHECK(a.ask(shared, limits, kStartMs) == 429);
  CHECK(b.ask(shared, limits, kStartMs) == 0);
  CHECK(c.ask(shared, limits, kStartMs) == 0);
  limits.zone = 2;
  CHECK(a.ask(shared, limits, kStartMs) == 0);
}

TEST_CASE("SharedLimits: exempt clients are not counted", "[proxy]") {
  SharedLimits shared({.low = 1, .high = 2});
  features::RateLimits limits{.zone = 1, .connections = 1, .per_minute = 1, .burst_multiplier = 1};
  limits.exempt = *routing::IpRanges::parse("192.0.2.0/24");
  Client in("192.0.2.1");
  Client out("198.51.100.1");
  for (int i = 0; i < 10; ++i) CHECK(in.ask(shared, limits, kStartMs) == 0);
  CHECK(in.held.empty());
  CHECK(out.ask(shared, limits, kStartMs) == 0);
  CHECK(out.ask(shared, limits, kStartMs) == 503);
}

TEST_CASE("SharedLimits: a minute's refusal does not use up the second's rate", "[proxy]") {
  SharedLimits shared({.low = 1, .high = 2});
  const features::RateLimits both{
      .zone = 1, .per_second = 10, .per_minute = 2, .burst_multiplier = 1
  };
  const features::RateLimits second{.zone = 1, .per_second = 10, .burst_multiplier = 1};
  Client a("192.0.2.1");
  int passed = 0;
  for (int i = 0; i < 50; ++i) passed += a.ask(shared, both, kStartMs) == 0 ? 1 : 0;
  CHECK(passed == 3);
  for (int i = 0; i < 50; ++i) passed += a.ask(shared, second, kStartMs) == 0 ? 1 : 0;
  CHECK(passed == 11);
}

}  // namespace
}  // namespace cppx::proxy
