#include <algorithm>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/post.hpp>
#include <catch2/catch_test_macros.hpp>

#include "controller/dns/name_resolver.h"
#include "controller/dns/resolve_host.h"
#include "tests/unit/controller/fake_name_server.h"
#include "tests/unit/controller/kube_support.h"

namespace cppx::controller::test {
namespace {

using namespace std::chrono_literals;
using Answer = NameRecord::Answer;
using Addresses = std::vector<std::string>;

/// A resolver that asks a fake name server.
struct ResolverSetup {
  explicit ResolverSetup(
      std::chrono::milliseconds least_age = 20ms, std::chrono::milliseconds most_age = 40ms,
      std::chrono::milliseconds patience = 2s
  ) {
    dns::NameResolverOptions options;
    options.ares.servers = server.address();
    options.ares.timeout = patience;
    options.ares.tries = 1;
    options.least_age = least_age;
    options.most_age = most_age;
    resolver = std::make_unique<dns::NameResolver>(io, options, [this] { ++changes; });
  }

  bool until(const std::function<bool()>& condition) { return run_until(io, condition); }
  bool resolved(const std::string& name, const Addresses& expected) const {
    const auto found = resolver->names().find(name);
    return found != resolver->names().end() && found->second == expected;
  }
  /// Until the server was asked `more` more times for the name.
  bool asked_again(const std::string& name, unsigned more) {
    const unsigned target = server.queries[name] + more;
    return until([&] { return server.queries[name] >= target; });
  }
  /// Queries so far, for whatever name.
  unsigned asked() const {
    unsigned sum = 0;
    for (const auto& [name, count] : server.queries) sum += count;
    return sum;
  }

  boost::asio::io_context io{1};
  FakeNameServer server{io};
  unsigned changes = 0;
  std::unique_ptr<dns::NameResolver> resolver;
};

std::set<std::string> numbered_names(int count) {
  std::set<std::string> names;
  for (int i = 0; i < count; ++i) names.insert("dead-" + std::to_string(i) + ".example");
  return names;
}

TEST_CASE("NameResolver: both families, sorted, told once they change", "[controller]") {
  ResolverSetup test;
  test.server.records["web.example"] = {.ipv4 = {"10.0.0.2", "10.0.0.1"}, .ipv6 = {"fd00::1"}};
  test.resolver->set_names({"web.example"});
  CHECK(test.changes == 0);
  CHECK(test.resolver->names().empty());
  REQUIRE(test.until([&] {
    return test.resolved("web.example", {"10.0.0.1", "10.0.0.2", "fd00::1"});
  }));
  REQUIRE(test.asked_again("web.example", 6));
  CHECK(test.changes >= 1);
  CHECK(test.changes <= 2);
  test.server.records["web.example"].ipv4 = {"10.0.0.3"};
  REQUIRE(test.until([&] { return test.resolved("web.example", {"10.0.0.3", "fd00::1"}); }));
}

TEST_CASE("NameResolver: the last good addresses stay while the server fails", "[controller]") {
  ResolverSetup test(20ms, 40ms, 50ms);
  test.server.records["web.example"] = {.ipv4 = {"10.0.0.1"}};
  test.resolver->set_names({"web.example"});
  REQUIRE(test.until([&] { return test.resolved("web.example", {"10.0.0.1"}); }));
  SECTION("by a server failure") {
    test.server.records["web.example"].answer = Answer::kServerFailure;
  }
  SECTION("by silence") { test.server.records["web.example"].answer = Answer::kSilence; }
  REQUIRE(test.asked_again("web.example", 6));
  CHECK(test.resolved("web.example", {"10.0.0.1"}));
  test.server.records["web.example"] = {.ipv4 = {"10.0.0.9"}};
  REQUIRE(test.until([&] { return test.resolved("web.example", {"10.0.0.9"}); }));
}

TEST_CASE("NameResolver: a name that does not exist any more has no addresses", "[controller]") {
  ResolverSetup test;
  test.server.records["web.example"] = {.ipv4 = {"10.0.0.1"}, .ipv6 = {"fd00::1"}};
  test.resolver->set_names({"web.example"});
  REQUIRE(test.until([&] { return test.resolved("web.example", {"10.0.0.1", "fd00::1"}); }));
  test.server.records.erase("web.example");
  REQUIRE(test.until([&] { return test.resolved("web.example", {}); }));
  test.server.records["web.example"] = {.ipv4 = {"10.0.0.1"}};
  REQUIRE(test.until([&] { return test.resolved("web.example", {"10.0.0.1"}); }));
}

TEST_CASE(
    "NameResolver: an unknown name is empty, one that fails is not resolved yet", "[controller]"
) {
  ResolverSetup test;
  test.server.records["fails.example"] = {.answer = Answer::kServerFailure};
  test.resolver->set_names({"no.example", "fails.example"});
  REQUIRE(test.until([&] { return test.resolved("no.example", {}); }));
  REQUIRE(test.asked_again("fails.example", 2));
  CHECK_FALSE(test.resolver->names().contains("fails.example"));
}

TEST_CASE("NameResolver: one family suffices when the other fails", "[controller]") {
  ResolverSetup test;
  test.server.records["web.example"] = {.ipv4 = {"10.0.0.1"}, .ipv6_fails = true};
  test.server.records["mute.example"] = {.ipv4 = {"10.0.0.2"}, .silent_ipv6 = true};
  test.resolver->set_names({"web.example", "mute.example"});
  REQUIRE(test.until([&] { return test.resolved("web.example", {"10.0.0.1"}); }));
  REQUIRE(test.until([&] { return test.resolved("mute.example", {"10.0.0.2"}); }));
}

TEST_CASE("NameResolver: the set of names can change at any time", "[controller]") {
  ResolverSetup test;
  test.server.records["a.example"] = {.ipv4 = {"10.0.0.1"}};
  test.server.records["b.example"] = {.ipv4 = {"10.0.0.2"}};
  test.resolver->set_names({"a.example"});
  // Its look-up is under way.
  test.resolver->set_names({"b.example"});
  REQUIRE(test.until([&] { return test.resolved("b.example", {"10.0.0.2"}); }));
  CHECK(test.resolver->names().size() == 1);
  test.resolver->set_names({"a.example", "b.example"});
  REQUIRE(test.until([&] { return test.resolved("a.example", {"10.0.0.1"}); }));
  test.resolver->set_names({});
  CHECK(test.resolver->names().empty());
}

TEST_CASE(
    "NameResolver: an answer is used no longer than its TTL and the bounds say", "[controller]"
) {
  SECTION("a long TTL is cut") {
    ResolverSetup test(10ms, 30ms);
    test.server.records["web.example"] = {.ipv4 = {"10.0.0.1"}, .ttl_seconds = 3600};
    test.resolver->set_names({"web.example"});
    REQUIRE(test.asked_again("web.example", 6));
  }
  SECTION("a TTL of zero does not make it ask all the time") {
    ResolverSetup test(10s, 30s);
    test.server.records["web.example"] = {.ipv4 = {"10.0.0.1"}, .ttl_seconds = 0};
    test.resolver->set_names({"web.example"});
    REQUIRE(test.until([&] { return test.resolved("web.example", {"10.0.0.1"}); }));
    test.io.run_for(100ms);
    CHECK(test.server.queries["web.example"] == 2);
  }
  SECTION("between the bounds it decides") {
    ResolverSetup test(10ms, 30s);
    test.server.records["web.example"] = {.ipv4 = {"10.0.0.1"}, .ttl_seconds = 1};
    const auto begin = std::chrono::steady_clock::now();
    test.resolver->set_names({"web.example"});
    REQUIRE(test.until([&] { return test.server.queries["web.example"] >= 4; }));
    CHECK(std::chrono::steady_clock::now() - begin >= 1s);
  }
}

TEST_CASE("NameResolver: literals and names of this machine need no server", "[controller]") {
  ResolverSetup test;
  test.resolver->set_names({"192.0.2.7", "localhost", "a.localhost"});
  REQUIRE(test.until([&] { return test.resolved("192.0.2.7", {"192.0.2.7"}); }));
  REQUIRE(test.until([&] { return test.resolved("localhost", {"127.0.0.1", "::1"}); }));
  REQUIRE(test.until([&] { return test.resolved("a.localhost", {"127.0.0.1", "::1"}); }));
  CHECK(test.server.queries.empty());
}

TEST_CASE("NameResolver: the hosts file comes first", "[controller]") {
  const TemporaryFolder folder;
  const auto hosts =
      folder.write("hosts", "192.0.2.9 web.example other.example\nfd00::9 web.example\n");
  setenv("CARES_HOSTS", hosts.c_str(), 1);
  ResolverSetup test;
  test.server.records["web.example"] = {.ipv4 = {"10.0.0.1"}};
  test.resolver->set_names({"web.example"});
  CHECK(test.until([&] { return test.resolved("web.example", {"192.0.2.9", "fd00::9"}); }));
  CHECK(test.server.queries.empty());
  unsetenv("CARES_HOSTS");
}

TEST_CASE("NameResolver: may be destroyed while it waits for answers", "[controller]") {
  ResolverSetup test;
  test.server.records["mute.example"] = {.answer = Answer::kSilence};
  test.resolver->set_names({"mute.example", "other.example"});
  REQUIRE(test.until([&] { return test.server.queries["mute.example"] > 0; }));
  test.resolver.reset();
  test.io.run_for(20ms);
  CHECK(test.changes == 0);
}

TEST_CASE("NameResolver: hundreds of names at once", "[controller]") {
  ResolverSetup test(10s, 30s);
  std::set<std::string> names;
  for (int i = 0; i < 400; ++i) {
    const std::string name = "host-" + std::to_string(i) + ".example";
    names.insert(name);
    test.server.records[name] = {
        .ipv4 = {"10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250)}
    };
  }
  test.resolver->set_names(names);
  REQUIRE(test.until([&] {
    if (test.resolver->names().size() < names.size()) return false;
    for (const auto& [name, addresses] : test.resolver->names())
      if (addresses.size() != 1) return false;
    return true;
  }));
}

TEST_CASE("NameResolver: new names that get no answer do not hold up others", "[controller]") {
  ResolverSetup test(20ms, 40ms, 30s);
  auto names = numbered_names(60);
  for (const auto& name : names) test.server.records[name] = {.answer = Answer::kSilence};
  test.resolver->set_names(names);
  // The last one in the queue.
  names.insert("web.example");
  test.server.records["web.example"] = {.ipv4 = {"10.0.0.1"}};
  test.resolver->set_names(names);
  CHECK(test.until([&] { return test.resolved("web.example", {"10.0.0.1"}); }));
}

TEST_CASE("NameResolver: names that failed wait apart, and few at a time", "[controller]") {
  constexpr unsigned kPlacesOfFailing = 16;
  ResolverSetup test(20ms, 40ms, 30s);
  auto names = numbered_names(100);
  for (const auto& name : names) test.server.records[name] = {.answer = Answer::kServerFailure};
  test.resolver->set_names(names);
  REQUIRE(test.until([&] {
    return std::ranges::all_of(names, [&](const auto& name) {
      return test.server.queries[name] >= 2;
    });
  }));
  for (const auto& name : names) test.server.records[name] = {.answer = Answer::kSilence};
  const unsigned before = test.asked();
  REQUIRE(test.until([&] { return test.asked() - before >= kPlacesOfFailing; }));
  names.insert("web.example");
  test.server.records["web.example"] = {.ipv4 = {"10.0.0.1"}};
  test.resolver->set_names(names);
  REQUIRE(test.until([&] { return test.resolved("web.example", {"10.0.0.1"}); }));
  // The others wait for a place; on a busy machine, some may have had theirs.
  CHECK(test.asked() - before <= 3 * kPlacesOfFailing);
}

TEST_CASE("resolve_host: addresses, no such host, failure and deadline", "[controller]") {
  ResolverSetup test;
  dns::AresOptions options;
  options.servers = test.server.address();
  options.timeout = 100ms;
  options.tries = 1;
  dns::AresChannel channel(test.io, options);
  const auto resolve = [&](const std::string& host, std::chrono::milliseconds patience) {
    return run_task(
        test.io,
        dns::resolve_host(
            test.io.get_executor(), channel, host, std::chrono::steady_clock::now() + patience
        )
    );
  };
  test.server.records["api.example"] = {.ipv4 = {"10.0.0.1"}, .ipv6 = {"fd00::1"}};
  test.server.records["fails.example"] = {.answer = Answer::kServerFailure};
  test.server.records["mute.example"] = {.answer = Answer::kSilence};
  const auto found = resolve("api.example", 5s);
  REQUIRE(found);
  REQUIRE(found->size() == 2);
  CHECK(found->front().to_string() == "10.0.0.1");
  CHECK(resolve("::1", 0ms)->front().to_string() == "::1");
  CHECK(resolve("no.example", 5s).error().detail == "resolve no.example: no such host");
  CHECK(resolve("fails.example", 5s).error().code == Errc::kUnavailable);
  CHECK(resolve("mute.example", 20ms).error().detail == "resolve mute.example: timed out");
}

}  // namespace
}  // namespace cppx::controller::test
