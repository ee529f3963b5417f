#include "tests/unit/routing/linear_reference.h"

#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "routing/http/path.h"

namespace cppx::test {
namespace {

using routing::PathType;

/// Tables and requests out of few words, so that much of them overlaps.
class Generator {
 public:
  explicit Generator(std::uint32_t seed) : random_(seed) {}

  std::size_t below(std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random_);
  }
  bool one_in(std::size_t n) { return below(n) == 0; }

  template <class T>
  const T& pick(const std::vector<T>& from) {
    return from[below(from.size())];
  }

  std::string path() {
    if (one_in(8)) return "/";
    std::string path;
    for (std::size_t depth = 1 + below(one_in(6) ? 7 : 3); depth > 0; --depth)
      path += "/" + pick(kElements);
    if (one_in(3)) path += "/";
    return path;
  }

  std::string host_name() {
    std::string name = pick(kTops);
    for (std::size_t labels = below(3); labels > 0; --labels) name = pick(kLabels) + "." + name;
    return name;
  }

  Rule rule() {
    Rule rule;
    if (one_in(6))
      rule.host = "_";
    else
      rule.host = (one_in(3) ? "*." : "") + host_name();
    rule.type = pick(kTypes);
    rule.path = one_in(20) ? "" : path();
    return rule;
  }

  std::vector<Rule> rules() {
    std::vector<Rule> rules;
    for (std::size_t count = 1 + below(30); count > 0; --count) {
      Rule next = rule();
      // Most rules share a host with another one: the paths are what should meet.
      if (!rules.empty() && !one_in(3)) next.host = pick(rules).host;
      if (!rules.empty() && one_in(4)) next.path = pick(rules).path;
      if (!rules.empty() && one_in(6)) next.path = mutate_path(pick(rules).path);
      rules.push_back(std::move(next));
    }
    return rules;
  }

  std::string request_host(const std::vector<Rule>& rules) {
    if (one_in(8)) return host_name();
    std::string host = pick(rules).host;
    if (host.starts_with("*")) host.replace(0, 1, pick(kLabels));
    switch (below(10)) {
      case 0:
        return host + ".";
      case 1:
        return pick(kLabels) + "." + host;
      case 2:
        return host.substr(0, host.size() - 1);
      case 3:
        return host.substr(std::min(host.size(), host.find('.') + 1));
      case 4:
        return "." + host;
      case 5:
        return host + "x";
      case 6:
      case 7:
        for (char& c : host)
          if (c >= 'a' && c <= 'z' && one_in(2)) c = static_cast<char>(c - 'a' + 'A');
        return host;
      default:
        return host;
    }
  }

  std::string request_path(const std::vector<Rule>& rules) {
    if (one_in(8)) return path();
    return mutate_path(pick(rules).path);
  }

 private:
  std::string mutate_path(std::string path) {
    if (path.empty()) path = "/";
    const bool ends_in_slash = path.ends_with('/');
    switch (below(9)) {
      case 0:
        return path + (ends_in_slash ? "" : "/");
      case 1:
        return path.size() > 1 && ends_in_slash ? path.substr(0, path.size() - 1) : path;
      case 2:
        return path + (ends_in_slash ? "" : "/") + pick(kElements);
      case 3:
        return path + pick(kElements);
      case 4:
        return path.substr(0, 1 + path.find_last_of('/'));
      case 5:
        return path.substr(0, std::max<std::size_t>(1, path.size() - 1));
      case 6:
        for (char& c : path)
          if (c >= 'a' && c <= 'z' && one_in(4)) c = static_cast<char>(c - 'a' + 'A');
        return path;
      default:
        return path;
    }
  }

  const std::vector<PathType> kTypes = {
      PathType::kExact, PathType::kPrefix, PathType::kImplementationSpecific
  };
  const std::vector<std::string> kElements = {
      "a", "b", "A", "aa", "ab", "foo", "bar", "foo.bar", "foo%2Fbar", "-", "a b", "\xc3\xa4", "0"
  };
  const std::vector<std::string> kLabels = {"a", "b", "www", "api", "x-1", "*", "_"};
  const std::vector<std::string> kTops = {"example.com", "example.org", "com", "local", "a.b"};

  std::mt19937 random_;
};

/// What the comparison has met, so that a generator that only makes dull tables is noticed.
struct Seen {
  std::size_t requests = 0;
  std::size_t not_found = 0;
  std::size_t add_slash = 0;
  std::size_t exact = 0;
  std::size_t wildcard = 0;
  std::size_t catch_all = 0;
};

void compare(const std::vector<Rule>& rules, Generator& generator, Seen& seen) {
  const routing::RoutingTable table = make_table(rules);
  std::string scratch;
  for (int i = 0; i < 40; ++i) {
    const std::string host = generator.request_host(rules);
    const std::string raw = generator.request_path(rules);
    const auto path = routing::normalize_path(raw, scratch);
    if (!path) continue;
    const LinearMatch wanted = match_linearly(rules, host, *path);
    const LinearMatch got = match_by_table(table, host, *path);
    if (got != wanted)
      FAIL(
          "request " << host << " " << *path << "\ntable:     " << describe(got)
                     << "\nreference: " << describe(wanted) << "\nrules:\n"
                     << describe(rules)
      );
    ++seen.requests;
    if (!got.rule) ++seen.not_found;
    if (got.add_slash) ++seen.add_slash;
    if (got.rule && rules[*got.rule].type == PathType::kExact) ++seen.exact;
    if (got.host.starts_with("*.")) ++seen.wildcard;
    if (got.host == "_") ++seen.catch_all;
  }
}

TEST_CASE("RoutingTable: agrees with a list of rules scanned per request", "[routing]") {
  constexpr std::uint32_t kTables = 20'000;
  Seen seen;
  for (std::uint32_t seed = 1; seed <= kTables; ++seed) {
    CAPTURE(seed);
    Generator generator(seed);
    compare(generator.rules(), generator, seen);
  }
  CHECK(seen.requests > kTables * 35);
  for (const auto count :
       {seen.not_found, seen.add_slash, seen.exact, seen.wildcard, seen.catch_all})
    CHECK(count > seen.requests / 100);
}

TEST_CASE("linear reference: knows the rules it is there to check", "[routing]") {
  const std::vector<Rule> rules = {
      {"a.example.com", PathType::kPrefix, "/"},      {"*.example.com", PathType::kPrefix, "/foo/"},
      {"*.example.com", PathType::kExact, "/foo/x"},  {"_", PathType::kPrefix, "/foo"},
      {"*.example.com", PathType::kPrefix, "/foo/x"},
  };
  CHECK(match_linearly(rules, "A.example.com.", "/x").rule == 0);
  CHECK(match_linearly(rules, "b.example.com", "/foo").add_slash);
  CHECK(match_linearly(rules, "b.example.com", "/foo/x").rule == 2);
  CHECK(match_linearly(rules, "b.example.com", "/foo/x/y").rule == 4);
  CHECK(match_linearly(rules, "b.b.example.com", "/foo/x").rule == 3);
  CHECK_FALSE(match_linearly(rules, "b.example.com", "/").rule);
  CHECK_FALSE(match_linearly(rules, "", "/foobar").rule);
}

}  // namespace
}  // namespace cppx::test
