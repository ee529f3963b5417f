#include "proxy/upstream/balancer.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "routing/balance/endpoint_hashes.h"

namespace cppx::proxy {
namespace {

using namespace std::chrono_literals;
using routing::BalanceAlgorithm;
using Pool = std::shared_ptr<const routing::EndpointPool>;
using Counts = std::vector<int>;

std::chrono::steady_clock::time_point g_now{1h};
std::chrono::steady_clock::time_point fake_now() { return g_now; }

Pool pool_of(std::uint32_t size, bool hashes = false, std::uint16_t first_port = 1) {
  auto pool = std::make_shared<routing::EndpointPool>();
  pool->identity = 7;
  for (std::uint32_t i = 0; i < size; ++i)
    pool->endpoints.push_back(
        *routing::EndpointAddress::parse("10.0.0.1", static_cast<std::uint16_t>(first_port + i))
    );
  if (hashes)
    pool->hashes =
        std::make_shared<const routing::EndpointHashes>(pool->endpoints, routing::SipKey{});
  return pool;
}

struct BalancerFixture {
  HealthRegistry registry;
  routing::ProxySettings settings;
  Balancer balancer{0, 1, registry, 1, fake_now};

  std::uint32_t choose(const BalanceRequest& request) {
    const auto choice = balancer.choose(request);
    REQUIRE(choice.has_value());
    return choice->index;
  }
  std::uint32_t next(const Pool& pool) { return choose({.pool = pool, .settings = settings}); }
  Counts counts(const Pool& pool, int requests) {
    Counts out(pool->endpoints.size());
    for (int i = 0; i < requests; ++i) ++out[next(pool)];
    return out;
  }
  std::shared_ptr<EndpointHealth> health(const Pool& pool, std::uint32_t index) {
    return registry.find_or_add(pool->endpoints[index]);
  }
  void eject(const Pool& pool, std::uint32_t index) {
    const auto now = std::chrono::time_point_cast<std::chrono::milliseconds>(g_now);
    const auto record = health(pool, index);
    for (int i = 0; i < 3; ++i) record->on_failure(settings.ejection, now, 0.5);
    REQUIRE(record->state().phase == EndpointHealth::Phase::kEjected);
  }
};

std::uint64_t key(int number) { return routing::sip_hash({}, std::to_string(number)); }

}  // namespace

TEST_CASE("TriedEndpoints: the same endpoints in a pool that has changed", "[proxy]") {
  const auto endpoint = [](std::uint16_t port) {
    return *routing::EndpointAddress::parse("10.0.0.1", port);
  };
  TriedEndpoints tried;
  tried.add(0);
  tried.add(2);
  const std::vector before{endpoint(1), endpoint(2), endpoint(3)};
  const std::vector now{endpoint(0), endpoint(2), endpoint(3), endpoint(4)};
  tried.move(before, now);
  for (std::uint32_t i = 0; i < now.size(); ++i) CHECK(tried.contains(i) == (i == 2));
  tried.move(now, {});
  CHECK(tried.empty());
}

TEST_CASE("Balancer: each worker goes round, from its own start", "[proxy]") {
  HealthRegistry registry;
  const routing::ProxySettings settings;
  Balancer first(0, 2, registry, 1, fake_now);
  Balancer second(1, 2, registry, 2, fake_now);
  const Pool four = pool_of(4);
  Counts hits(4);
  for (int i = 0; i < 2; ++i)
    for (Balancer* balancer : {&first, &second})
      ++hits[balancer->choose({.pool = four, .settings = settings})->index];
  CHECK(hits == Counts{1, 1, 1, 1});
  // Fewer endpoints than the position: goes on in range.
  const Pool one = pool_of(1);
  CHECK(first.choose({.pool = one, .settings = settings})->index == 0);
}

TEST_CASE("Balancer: round robin passes over what is ejected, fairly", "[proxy]") {
  BalancerFixture test;
  const Pool pool = pool_of(4);
  CHECK(test.counts(pool, 40) == Counts{10, 10, 10, 10});
  test.eject(pool, 1);
  CHECK(test.counts(pool, 30) == Counts{10, 0, 10, 10});
  test.eject(pool, 2);
  CHECK(test.counts(pool, 30) == Counts{15, 0, 0, 15});
}

TEST_CASE("Balancer: with fewer than half fit, all are used", "[proxy]") {
  BalancerFixture test;
  const Pool pool = pool_of(4);
  for (const std::uint32_t index : {0U, 1U, 2U}) test.eject(pool, index);
  CHECK(test.counts(pool, 40) == Counts{10, 10, 10, 10});
  const Pool single = pool_of(1);
  CHECK(test.counts(single, 3) == Counts{3});
}

TEST_CASE("Balancer: an ejected endpoint gets one probe, and a rising share after it", "[proxy]") {
  BalancerFixture test;
  const Pool pool = pool_of(2);
  test.eject(pool, 0);
  CHECK(test.counts(pool, 10) == Counts{0, 10});
  g_now += 1s;
  CHECK(test.counts(pool, 10) == Counts{1, 9});
  const auto choice = test.balancer.take({.pool = pool, .settings = test.settings}, 0);
  test.balancer.on_success(*choice->endpoint, test.settings);
  CHECK(test.health(pool, 0)->state().phase == EndpointHealth::Phase::kReturning);
  const Counts at_first = test.counts(pool, 1'000);
  g_now += 5s;
  const Counts half_way = test.counts(pool, 1'000);
  g_now += 6s;
  const Counts at_last = test.counts(pool, 1'000);
  CHECK(at_first[0] < 150);
  CHECK(at_first[0] > 30);
  CHECK(half_way[0] > at_first[0] + 100);
  CHECK(half_way[0] < 450);
  CHECK(at_last == Counts{500, 500});
}

TEST_CASE("Balancer: a probe that has its connection for a second brings its share", "[proxy]") {
  BalancerFixture test;
  const Pool pool = pool_of(2);
  test.eject(pool, 0);
  g_now += 1s;
  CHECK(test.counts(pool, 10) == Counts{1, 9});
  const auto choice = test.balancer.take({.pool = pool, .settings = test.settings}, 0);
  test.balancer.on_connection(*choice->endpoint);
  CHECK(test.counts(pool, 10) == Counts{0, 10});
  g_now += 1s;
  const Counts at_first = test.counts(pool, 1'000);
  CHECK(at_first[0] < 150);
  CHECK(at_first[0] > 30);
  g_now += 10s;
  CHECK(test.counts(pool, 1'000) == Counts{500, 500});
}

TEST_CASE("Balancer: a probe that fails is not followed by a second one at once", "[proxy]") {
  BalancerFixture test;
  const Pool pool = pool_of(2);
  test.eject(pool, 0);
  g_now += 1s;
  CHECK(test.counts(pool, 4) == Counts{1, 3});
  const auto choice = test.balancer.take({.pool = pool, .settings = test.settings}, 0);
  test.balancer.on_failure(*choice->endpoint, test.settings);
  CHECK(test.counts(pool, 10) == Counts{0, 10});
  g_now += 1s;
  CHECK(test.counts(pool, 10) == Counts{0, 10});
}

TEST_CASE("Balancer: one record for all pools and workers", "[proxy]") {
  BalancerFixture test;
  const Pool pool = pool_of(2);
  auto other = std::make_shared<routing::EndpointPool>(*pool);
  other->identity = 8;
  Balancer second(0, 1, test.registry, 2, fake_now);
  const Pool same = other;
  const auto choice = test.balancer.take({.pool = pool, .settings = test.settings}, 0);
  for (int i = 0; i < 3; ++i) test.balancer.on_failure(*choice->endpoint, test.settings);
  CHECK(test.balancer.ejections() == 1);
  for (int i = 0; i < 4; ++i)
    CHECK(second.choose({.pool = same, .settings = test.settings})->index == 1);
  // And it outlives the pool: the next snapshot has another object with the same endpoints.
  const Pool later = pool_of(2);
  CHECK(test.counts(later, 10) == Counts{0, 10});
}

TEST_CASE("Balancer: what was tried comes last", "[proxy]") {
  BalancerFixture test;
  const Pool pool = pool_of(3, true);
  for (const auto algorithm :
       {BalanceAlgorithm::kRoundRobin, BalanceAlgorithm::kLeastRequest, BalanceAlgorithm::kEwma}) {
    for (const bool hashed : {false, true}) {
      for (int run = 0; run < 50; ++run) {
        BalanceRequest request{.pool = pool, .settings = test.settings, .algorithm = algorithm};
        if (hashed) request.hash = key(run);
        std::vector<std::uint32_t> seen;
        for (int i = 0; i < 3; ++i) {
          const std::uint32_t index = test.choose(request);
          CHECK(std::ranges::find(seen, index) == seen.end());
          seen.push_back(index);
          request.tried.add(index);
        }
        CHECK(test.choose(request) < 3);
      }
    }
  }
}

TEST_CASE("Balancer: an untried endpoint is asked even if it is ejected", "[proxy]") {
  BalancerFixture test;
  const Pool pool = pool_of(2);
  test.eject(pool, 0);
  BalanceRequest request{.pool = pool, .settings = test.settings};
  CHECK(test.choose(request) == 1);
  request.tried.add(1);
  CHECK(test.choose(request) == 0);
}

TEST_CASE("Balancer: least request evens out requests in progress", "[proxy]") {
  BalancerFixture test;
  const Pool pool = pool_of(5);
  const BalanceRequest request{
      .pool = pool, .settings = test.settings, .algorithm = BalanceAlgorithm::kLeastRequest
  };
  std::vector<EndpointUse> uses;
  for (int i = 0; i < 500; ++i) uses.emplace_back(*test.balancer.choose(request)->endpoint);
  for (std::uint32_t i = 0; i < 5; ++i) {
    const auto choice = test.balancer.take(request, i);
    CHECK(choice->endpoint->active >= 95);
    CHECK(choice->endpoint->active <= 105);
  }
  uses.clear();
  CHECK(test.balancer.take(request, 0)->endpoint->active == 0);
}

TEST_CASE("Balancer: EWMA prefers who answers faster, and forgets", "[proxy]") {
  BalancerFixture test;
  const Pool pool = pool_of(3);
  const BalanceRequest request{
      .pool = pool, .settings = test.settings, .algorithm = BalanceAlgorithm::kEwma
  };
  const auto count = [&] {
    Counts out(3);
    for (int i = 0; i < 300; ++i) ++out[test.choose(request)];
    return out;
  };
  for (const std::uint32_t index : {0U, 1U, 2U})
    test.balancer.take(request, index)->endpoint->observe(index == 2 ? 1.0 : 0.01, g_now);
  CHECK(count()[2] == 0);
  // Passed over for a minute, the slow one is tried again: it may have recovered.
  g_now += 60s;
  for (const std::uint32_t index : {0U, 1U})
    test.balancer.take(request, index)->endpoint->observe(0.01, g_now);
  CHECK(count()[2] > 50);
  // Requests in progress count too.
  g_now += 1s;
  for (const std::uint32_t index : {0U, 1U, 2U})
    test.balancer.take(request, index)->endpoint->observe(0.01, g_now);
  std::vector<EndpointUse> uses;
  for (int i = 0; i < 3; ++i) uses.emplace_back(*test.balancer.take(request, 1)->endpoint);
  CHECK(count()[1] == 0);
}

TEST_CASE("LocalEndpoint: peaks count at once, the way down takes time", "[proxy]") {
  LocalEndpoint endpoint;
  endpoint.observe(0.1, g_now);
  CHECK(endpoint.response_seconds == 0.1);
  endpoint.observe(2.0, g_now + 10ms);
  CHECK(endpoint.response_seconds == 2.0);
  endpoint.observe(0.1, g_now + 20ms);
  CHECK(endpoint.response_seconds > 1.9);
  endpoint.observe(0.1, g_now + 60s);
  CHECK(endpoint.response_seconds < 0.2);
}

TEST_CASE("Balancer: a hash always leads to the same endpoint", "[proxy]") {
  BalancerFixture test;
  const Pool pool = pool_of(5, true);
  std::map<int, std::uint32_t> where;
  Counts hits(5);
  for (int i = 0; i < 500; ++i) {
    where[i] = test.choose({.pool = pool, .settings = test.settings, .hash = key(i)});
    ++hits[where[i]];
  }
  CHECK(std::ranges::min(hits) > 50);
  // Ejected: its keys are spread over the others, which keep theirs.
  test.eject(pool, 2);
  Counts moved(5);
  for (const auto& [number, index] : where) {
    const auto now = test.choose({.pool = pool, .settings = test.settings, .hash = key(number)});
    if (index == 2)
      ++moved[now];
    else
      CHECK(now == index);
    // Who must not go elsewhere does not.
    CHECK(
        test.choose({.pool = pool, .settings = test.settings, .hash = key(number), .exact = true}
        ) == index
    );
  }
  CHECK(moved[2] == 0);
  CHECK(std::ranges::count_if(moved, [](int count) { return count > 5; }) == 4);
}

TEST_CASE("Balancer: only a key's own requests probe for it", "[proxy]") {
  BalancerFixture test;
  const Pool pool = pool_of(3, true);
  test.eject(pool, 1);
  g_now += 1s;
  const auto& maglev = pool->hashes->maglev();
  int probes = 0;
  for (int i = 0; i < 100; ++i) {
    const auto index = test.choose({.pool = pool, .settings = test.settings, .hash = key(i)});
    if (index != 1) continue;
    ++probes;
    CHECK(maglev.endpoint_at(maglev.slot_of(key(i))) == 1);
  }
  CHECK(probes == 1);
}

TEST_CASE("Balancer: a subset is the key's, and any of it serves", "[proxy]") {
  BalancerFixture test;
  const Pool pool = pool_of(10, true);
  for (int number = 0; number < 20; ++number) {
    BalanceRequest request{.pool = pool, .settings = test.settings, .hash = key(number)};
    request.subset_size = 3;
    std::map<std::uint32_t, int> members;
    for (int i = 0; i < 300; ++i) ++members[test.choose(request)];
    CHECK(members.size() == 3);
    for (const auto& [index, count] : members) CHECK(count > 50);
  }
  BalanceRequest all{.pool = pool, .settings = test.settings, .hash = key(1)};
  all.subset_size = 64;
  std::map<std::uint32_t, int> members;
  for (int i = 0; i < 500; ++i) ++members[test.choose(all)];
  CHECK(members.size() == 10);
}

TEST_CASE("Balancer: without hashes of the pool the algorithm decides", "[proxy]") {
  BalancerFixture test;
  const Pool pool = pool_of(2);
  Counts hits(2);
  for (int i = 0; i < 10; ++i)
    ++hits[test.choose({.pool = pool, .settings = test.settings, .hash = key(1)})];
  CHECK(hits == Counts{5, 5});
}

TEST_CASE("Balancer: limits of an endpoint", "[proxy]") {
  BalancerFixture test;
  test.settings.endpoint_limits = {.connections = 2, .pending = 1};
  const Pool pool = pool_of(2, true);
  const BalanceRequest request{.pool = pool, .settings = test.settings};
  std::vector<EndpointUse> uses;
  uses.emplace_back(*test.balancer.take(request, 0)->endpoint);
  uses.back().connecting();
  // One is being connected to: the other takes what comes.
  for (int i = 0; i < 4; ++i) CHECK(test.next(pool) == 1);
  uses.back().connected();
  CHECK(test.counts(pool, 4) == Counts{2, 2});
  for (const std::uint32_t index : {0U, 1U, 1U})
    uses.emplace_back(*test.balancer.take(request, index)->endpoint);
  CHECK_FALSE(test.balancer.choose(request).has_value());
  CHECK_FALSE(test.balancer.take(request, 0).has_value());
  for (const bool exact : {false, true})
    for (const auto algorithm : {BalanceAlgorithm::kRoundRobin, BalanceAlgorithm::kLeastRequest})
      CHECK_FALSE(test.balancer
                      .choose(
                          {.pool = pool,
                           .settings = test.settings,
                           .algorithm = algorithm,
                           .hash = key(1),
                           .exact = exact}
                      )
                      .has_value());
  uses.pop_back();
  CHECK(test.next(pool) == 1);
}

namespace {

/// Three endpoints, of which the last one joined the others at `time`.
Pool joined_by_one(routing::JoinTime time) {
  auto pool = std::make_shared<routing::EndpointPool>(*pool_of(3));
  pool->joined = {routing::kFromTheStart, routing::kFromTheStart, time};
  return pool;
}

}  // namespace

TEST_CASE("Balancer: slow start of what is added to others, where it is wanted", "[proxy]") {
  BalancerFixture test;
  const auto met_before = GENERATE(true, false);
  const auto wanted = GENERATE(30s, 0s);
  CAPTURE(met_before, wanted.count());
  test.settings.upstream_slow_start = wanted;
  if (met_before) CHECK(test.counts(pool_of(2), 10) == Counts{5, 5});
  const Pool more = joined_by_one(g_now);
  const Counts at_first = test.counts(more, 1'000);
  if (wanted == 0s) {
    CHECK(at_first[2] > 300);
  } else {
    CHECK(at_first[2] < 100);
    CHECK(at_first[2] > 10);
  }
  g_now += 31s;
  CHECK(test.counts(more, 30) == Counts{10, 10, 10});
}

TEST_CASE("Balancer: slow start does not depend on which worker knows the others", "[proxy]") {
  HealthRegistry registry;
  routing::ProxySettings settings;
  settings.upstream_slow_start = 30s;
  Balancer old_hand(0, 2, registry, 1, fake_now);
  Balancer newcomer(1, 2, registry, 2, fake_now);
  const auto count = [&settings](Balancer& balancer, const Pool& pool) {
    Counts out(pool->endpoints.size());
    for (int i = 0; i < 1'000; ++i)
      ++out[balancer.choose({.pool = pool, .settings = settings})->index];
    return out;
  };
  CHECK(count(old_hand, pool_of(2)) == Counts{500, 500});
  const Pool more = joined_by_one(g_now);
  const bool newcomer_first = GENERATE(true, false);
  CAPTURE(newcomer_first);
  for (Balancer* balancer :
       newcomer_first ? std::array{&newcomer, &old_hand} : std::array{&old_hand, &newcomer})
    CHECK(count(*balancer, more)[2] < 100);
  // It goes on from when it joined, whoever meets it late, and is not begun again.
  g_now += 31s;
  Balancer late(0, 2, registry, 3, fake_now);
  for (Balancer* balancer : {&old_hand, &newcomer, &late})
    CHECK(count(*balancer, joined_by_one(g_now - 31s))[2] > 300);
}

TEST_CASE("Balancer: an endpoint that went and comes back starts slowly again", "[proxy]") {
  BalancerFixture test;
  test.settings.upstream_slow_start = 30s;
  CHECK(test.counts(pool_of(3), 30) == Counts{10, 10, 10});
  CHECK(test.counts(pool_of(2), 10) == Counts{5, 5});
  CHECK(test.counts(joined_by_one(g_now), 1'000)[2] < 100);
}

TEST_CASE("Balancer: a new endpoint does not inherit the ejection of its address", "[proxy]") {
  BalancerFixture test;
  Balancer late(1, 2, test.registry, 2, fake_now);
  const auto wanted = GENERATE(0s, 30s);
  CAPTURE(wanted.count());
  const auto count_late = [&](const Pool& pool) {
    Counts out(pool->endpoints.size());
    for (int i = 0; i < 30; ++i)
      ++out[late.choose({.pool = pool, .settings = test.settings})->index];
    return out;
  };
  test.settings.upstream_slow_start = wanted;
  CHECK(count_late(pool_of(3)) == Counts{10, 10, 10});
  test.eject(pool_of(3), 2);
  CHECK(test.counts(pool_of(2), 10) == Counts{5, 5});
  const Pool again = joined_by_one(g_now);
  const int at_first = test.counts(again, 1'000)[2];
  CHECK(at_first > 10);
  CHECK((at_first < 100) == (wanted != 0s));
  // A worker that meets it later does not take the next ejection from it.
  test.eject(again, 2);
  CHECK(count_late(again) == Counts{15, 15, 0});
}

TEST_CASE("Balancer: no slow start where no endpoint has joined others", "[proxy]") {
  BalancerFixture test;
  test.settings.upstream_slow_start = 30s;
  CHECK(test.counts(pool_of(2), 10) == Counts{5, 5});
  CHECK(test.counts(pool_of(4, false, 10), 40) == Counts{10, 10, 10, 10});
}

TEST_CASE("Balancer: pools and endpoints that are gone are forgotten", "[proxy]") {
  BalancerFixture test;
  for (std::uint32_t i = 0; i < 5'000; ++i)
    test.next(pool_of(2, false, static_cast<std::uint16_t>(1 + 2 * i)));
  CHECK(test.balancer.known_endpoints() < 200);
  CHECK(test.registry.size() < 1'000);

  std::vector<Pool> pools;
  for (std::uint32_t i = 0; i < 1'000; ++i) {
    auto pool = std::make_shared<routing::EndpointPool>(
        *pool_of(1, false, static_cast<std::uint16_t>(20'000 + i))
    );
    pool->identity = 100 + i;
    pools.push_back(pool);
    test.next(pools.back());
  }
  routing::Snapshot snapshot;
  snapshot.pools = {pools[3]};
  test.balancer.keep_only(snapshot);
  CHECK(test.balancer.known_endpoints() == 1);
  CHECK(test.next(pools[3]) == 0);
}

}  // namespace cppx::proxy
