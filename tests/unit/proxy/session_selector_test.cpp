#include "proxy/upstream/session_selector.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include <catch2/catch_test_macros.hpp>

#include "features/session_affinity/cookie.h"
#include "proxy/upstream/health_registry.h"
#include "routing/balance/endpoint_hashes.h"

namespace cppx::proxy {
namespace {

using features::SessionAffinity;
using namespace std::chrono_literals;

std::chrono::steady_clock::time_point fixed_now() {
  return std::chrono::steady_clock::time_point{1h};
}

struct SessionFixture {
  HealthRegistry registry;
  routing::ProxySettings settings;
  Balancer balancer{0, 1, registry, 1, fixed_now};
  std::shared_ptr<const routing::EndpointPool> pool = pool_of(4);

  static std::shared_ptr<const routing::EndpointPool> pool_of(std::uint16_t size) {
    auto out = std::make_shared<routing::EndpointPool>();
    out->name = "ns/web:80";
    for (std::uint16_t port = 1; port <= size; ++port)
      out->endpoints.push_back(*routing::EndpointAddress::parse("10.0.0.1", port));
    out->hashes = std::make_shared<const routing::EndpointHashes>(
        out->endpoints, routing::SipKey{.low = 1, .high = 2}
    );
    return out;
  }

  /// A request with this cookie: where its tries go, and which key it gets in the end.
  struct Result {
    std::vector<std::uint32_t> tries;
    std::string new_cookie;
  };
  Result ask(const SessionAffinity& affinity, const std::string& cookie, int tries = 1) {
    const std::string line = affinity.cookie_name + "=" + cookie;
    routing::HeaderFields fields;
    if (!cookie.empty()) fields.push({.name = "Cookie", .value = line});
    SessionSelector session;
    session.begin(affinity, *pool, fields);
    BalanceRequest request{.pool = pool, .settings = settings};
    Result out;
    for (int i = 0; i < tries; ++i) {
      const auto choice = session.choose(balancer, request);
      REQUIRE(choice.has_value());
      out.tries.push_back(choice->index);
      request.tried.add(choice->index);
    }
    if (const auto key = session.new_key())
      out.new_cookie = std::string(features::SessionKeyText(*key).view()) + "|x";
    return out;
  }
  void eject(std::uint32_t index) {
    const auto record = registry.find_or_add(pool->endpoints[index]);
    const auto now = std::chrono::time_point_cast<std::chrono::milliseconds>(fixed_now());
    for (int i = 0; i < 3; ++i) record->on_failure(settings.ejection, now, 0.5);
  }
};

}  // namespace

TEST_CASE("SessionSelector: a new session is kept by its cookie", "[proxy]") {
  for (const bool persistent : {false, true}) {
    CAPTURE(persistent);
    SessionFixture test;
    const SessionAffinity affinity{.persistent = persistent};
    std::map<std::uint32_t, int> hits;
    for (int i = 0; i < 200; ++i) {
      const auto first = test.ask(affinity, "");
      REQUIRE_FALSE(first.new_cookie.empty());
      ++hits[first.tries[0]];
      const auto second = test.ask(affinity, first.new_cookie);
      CHECK(second.tries == first.tries);
      CHECK(second.new_cookie.empty());
    }
    CHECK(hits.size() == 4);
    for (const auto& [index, count] : hits) CHECK(count > 25);
  }
}

TEST_CASE("SessionSelector: values that are not ours", "[proxy]") {
  SessionFixture test;
  // Balanced: hashed like any key, and left to the client.
  const auto balanced = test.ask({}, "anything");
  CHECK(balanced.new_cookie.empty());
  CHECK(test.ask({}, "anything|else").tries == balanced.tries);
  // Persistent: names nobody, so that there is a new one.
  const SessionAffinity persistent{.persistent = true};
  CHECK_FALSE(test.ask(persistent, "anything").new_cookie.empty());
  CHECK_FALSE(test.ask(persistent, "0123456789abcdef|x").new_cookie.empty());
}

TEST_CASE("SessionSelector: persistent sessions stay when endpoints come", "[proxy]") {
  SessionFixture test;
  const SessionAffinity affinity{.persistent = true};
  const auto first = test.ask(affinity, "");
  test.pool = SessionFixture::pool_of(9);
  const auto second = test.ask(affinity, first.new_cookie);
  CHECK(second.tries == first.tries);
  CHECK(second.new_cookie.empty());
}

TEST_CASE("SessionSelector: without change on failure the same one again and again", "[proxy]") {
  for (const bool persistent : {false, true}) {
    CAPTURE(persistent);
    SessionFixture test;
    const SessionAffinity affinity{.persistent = persistent};
    const auto first = test.ask(affinity, "");
    test.eject(first.tries[0]);
    const auto second = test.ask(affinity, first.new_cookie, 3);
    CHECK(second.tries == std::vector<std::uint32_t>(3, first.tries[0]));
    CHECK(second.new_cookie.empty());
    // A session that is only being made goes where somebody answers.
    const auto fresh = test.ask(affinity, "", 3);
    CHECK(fresh.tries[0] != fresh.tries[1]);
    CHECK(fresh.tries[1] != fresh.tries[2]);
    for (const std::uint32_t index : fresh.tries) CHECK(index != first.tries[0]);
    CHECK(test.ask(affinity, fresh.new_cookie).tries[0] == fresh.tries[2]);
  }
}

TEST_CASE("SessionSelector: with change on failure another one, and a new cookie", "[proxy]") {
  for (const bool persistent : {false, true}) {
    CAPTURE(persistent);
    SessionFixture test;
    const SessionAffinity affinity{.persistent = persistent, .change_on_failure = true};
    const auto first = test.ask(affinity, "");
    const auto failing = test.ask(affinity, first.new_cookie, 2);
    CHECK(failing.tries[0] == first.tries[0]);
    CHECK(failing.tries[1] != first.tries[0]);
    CHECK_FALSE(failing.new_cookie.empty());
    CHECK(test.ask(affinity, failing.new_cookie).tries[0] == failing.tries[1]);
    // An ejected one is not even tried.
    test.eject(first.tries[0]);
    const auto moved = test.ask(affinity, first.new_cookie);
    CHECK(moved.tries[0] != first.tries[0]);
    CHECK_FALSE(moved.new_cookie.empty());
    CHECK(test.ask(affinity, moved.new_cookie).tries == moved.tries);
  }
}

TEST_CASE("SessionSelector: the cookie's key is not the address", "[proxy]") {
  SessionFixture test;
  auto other = std::make_shared<routing::EndpointPool>(*test.pool);
  other->hashes = std::make_shared<const routing::EndpointHashes>(
      other->endpoints, routing::SipKey{.low = 1, .high = 3}
  );
  const SessionAffinity affinity{.persistent = true};
  const auto first = test.ask(affinity, "");
  test.pool = other;
  CHECK_FALSE(test.ask(affinity, first.new_cookie).new_cookie.empty());
}

}  // namespace cppx::proxy
