#include "routing/match/path_trie.h"

#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch_test_macros.hpp>

namespace cppx::routing {
namespace {

constexpr auto kExact = PathType::kExact;
constexpr auto kPrefix = PathType::kPrefix;
constexpr auto kSpecific = PathType::kImplementationSpecific;

struct PathRule {
  PathType type;
  std::string_view path;
};

PathTrie make_trie(const std::vector<PathRule>& rules) {
  PathTrie trie;
  for (RouteIndex i = 0; i < rules.size(); ++i) REQUIRE(trie.add(rules[i].type, rules[i].path, i));
  return trie;
}

// https://kubernetes.io/docs/concepts/services-networking/ingress/#examples, with the answers of
// this program where a trailing slash of a Prefix is concerned: ingress-nginx answers 301 there.
TEST_CASE("PathTrie: the examples of the Kubernetes documentation", "[routing]") {
  constexpr bool kSlash = true;
  const struct {
    std::vector<PathRule> rules;
    std::string_view path;
    RouteIndex route;
    bool add_slash = false;
  } cases[] = {
      {{{kPrefix, "/"}}, "/any/path", 0},
      {{{kPrefix, "/"}}, "/", 0},
      {{{kExact, "/foo"}}, "/foo", 0},
      {{{kExact, "/foo"}}, "/bar", kNoRoute},
      {{{kExact, "/foo"}}, "/foo/", kNoRoute},
      {{{kExact, "/foo/"}}, "/foo", kNoRoute},
      {{{kPrefix, "/foo"}}, "/foo", 0},
      {{{kPrefix, "/foo"}}, "/foo/", 0},
      {{{kPrefix, "/foo/"}}, "/foo", 0, kSlash},
      {{{kPrefix, "/foo/"}}, "/foo/", 0},
      {{{kPrefix, "/aaa/bb"}}, "/aaa/bbb", kNoRoute},
      {{{kPrefix, "/aaa/bbb"}}, "/aaa/bbb", 0},
      {{{kPrefix, "/aaa/bbb/"}}, "/aaa/bbb", 0, kSlash},
      {{{kPrefix, "/aaa/bbb"}}, "/aaa/bbb/", 0},
      {{{kPrefix, "/aaa/bbb"}}, "/aaa/bbb/ccc", 0},
      {{{kPrefix, "/aaa/bbb"}}, "/aaa/bbbxyz", kNoRoute},
      {{{kPrefix, "/"}, {kPrefix, "/aaa"}}, "/aaa/ccc", 1},
      {{{kPrefix, "/"}, {kPrefix, "/aaa"}}, "/ccc", 0},
      {{{kPrefix, "/aaa"}}, "/ccc", kNoRoute},
      {{{kPrefix, "/foo"}, {kExact, "/foo"}}, "/foo", 1},
  };
  for (const auto& c : cases) {
    CAPTURE(c.rules.front().path, c.path);
    const PathMatch match = make_trie(c.rules).match(c.path);
    CHECK(match.route == c.route);
    CHECK(match.add_slash == c.add_slash);
  }
}

TEST_CASE("PathTrie: an empty one matches nothing", "[routing]") {
  const PathTrie trie;
  for (const std::string_view path : {"/", "/a", "", "a", "//"}) {
    CHECK(trie.match(path).route == kNoRoute);
    CHECK_FALSE(trie.match(path).add_slash);
  }
}

TEST_CASE("PathTrie: the longest rule wins, whatever the order they came in", "[routing]") {
  const std::vector<std::vector<PathRule>> orders = {
      {{kPrefix, "/"}, {kPrefix, "/a"}, {kPrefix, "/a/b"}, {kPrefix, "/a/b/c"}},
      {{kPrefix, "/a/b/c"}, {kPrefix, "/a/b"}, {kPrefix, "/a"}, {kPrefix, "/"}},
      {{kPrefix, "/a/b"}, {kPrefix, "/"}, {kPrefix, "/a/b/c"}, {kPrefix, "/a"}},
  };
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"/", "/"},         {"/b", "/"},        {"/a", "/a"},         {"/ab", "/"},
      {"/a/", "/a"},      {"/a/c", "/a"},     {"/a/b", "/a/b"},     {"/a/b/", "/a/b"},
      {"/a/b/d", "/a/b"}, {"/a/bc", "/a"},    {"/a/b/c", "/a/b/c"}, {"/a/b/c/d/e", "/a/b/c"},
      {"/A/b", "/"},      {"/a/b/C", "/a/b"},
  };
  for (const auto& rules : orders) {
    const PathTrie trie = make_trie(rules);
    for (const auto& [path, wanted] : cases) {
      CAPTURE(path);
      const PathMatch match = trie.match(path);
      REQUIRE(match.route != kNoRoute);
      CHECK(rules[match.route].path == wanted);
      CHECK_FALSE(match.add_slash);
    }
  }
}

TEST_CASE("PathTrie: Exact before Prefix on equal text, and only on that text", "[routing]") {
  const PathTrie trie = make_trie({{kPrefix, "/foo"}, {kExact, "/foo"}, {kExact, "/foo/"}});
  CHECK(trie.match("/foo").route == 1);
  CHECK(trie.match("/foo/").route == 2);
  CHECK(trie.match("/foo/a").route == 0);
  const PathTrie root = make_trie({{kPrefix, "/"}, {kExact, "/"}});
  CHECK(root.match("/").route == 1);
  CHECK(root.match("/a").route == 0);
}

TEST_CASE("PathTrie: a longer Prefix wins over a shorter Exact", "[routing]") {
  const PathTrie trie = make_trie({{kExact, "/a"}, {kPrefix, "/a/b"}, {kPrefix, "/"}});
  CHECK(trie.match("/a").route == 0);
  CHECK(trie.match("/a/b").route == 1);
  CHECK(trie.match("/a/c").route == 2);
  CHECK(trie.match("/a/").route == 2);
}

TEST_CASE("PathTrie: ImplementationSpecific is a Prefix", "[routing]") {
  PathTrie trie;
  CHECK(trie.add(kSpecific, "/foo", 0));
  CHECK_FALSE(trie.add(kPrefix, "/foo", 1));
  CHECK(trie.add(kExact, "/foo", 2));
  CHECK(trie.match("/foo").route == 2);
  CHECK(trie.match("/foo/bar").route == 0);
  CHECK(trie.match("/foobar").route == kNoRoute);
}

TEST_CASE("PathTrie: a Prefix ending in a slash", "[routing]") {
  const struct {
    std::vector<PathRule> rules;
    std::string_view path;
    RouteIndex route;
    bool add_slash;
  } cases[] = {
      // Alone, it redirects its own name and nothing else.
      {{{kPrefix, "/foo/"}}, "/foo", 0, true},
      {{{kSpecific, "/foo/"}}, "/foo", 0, true},
      {{{kPrefix, "/foo/"}}, "/foo/a", 0, false},
      {{{kPrefix, "/foo/"}}, "/foobar", kNoRoute, false},
      {{{kPrefix, "/foo/"}}, "/", kNoRoute, false},
      {{{kPrefix, "/a/foo/"}}, "/a/foo", 0, true},
      {{{kPrefix, "/a/foo/"}}, "/a", kNoRoute, false},
      // A shorter Prefix does not take the redirect away.
      {{{kPrefix, "/"}, {kPrefix, "/foo/"}}, "/foo", 1, true},
      {{{kPrefix, "/a"}, {kPrefix, "/a/foo/"}}, "/a/foo", 1, true},
      {{{kPrefix, "/a/"}, {kPrefix, "/a/foo/"}}, "/a/foo", 1, true},
      // A rule for the name itself does.
      {{{kPrefix, "/foo/"}, {kPrefix, "/foo"}}, "/foo", 1, false},
      {{{kPrefix, "/foo/"}, {kExact, "/foo"}}, "/foo", 1, false},
      {{{kPrefix, "/foo/"}, {kSpecific, "/foo"}}, "/foo", 1, false},
      // What is under it goes to the longer of the two.
      {{{kPrefix, "/foo/"}, {kPrefix, "/foo"}}, "/foo/", 0, false},
      {{{kPrefix, "/foo"}, {kPrefix, "/foo/"}}, "/foo/a", 1, false},
      {{{kPrefix, "/foo/"}, {kExact, "/foo/"}}, "/foo/", 1, false},
      {{{kPrefix, "/foo/"}, {kExact, "/foo/"}}, "/foo/a", 0, false},
      {{{kPrefix, "/foo/"}, {kExact, "/foo/"}}, "/foo", 0, true},
      {{{kPrefix, "/foo/"}, {kPrefix, "/foo/bar"}}, "/foo/bar", 1, false},
      {{{kPrefix, "/foo/"}, {kPrefix, "/foo/bar"}}, "/foo/baz", 0, false},
      // An Exact with a slash never redirects.
      {{{kExact, "/foo/"}}, "/foo", kNoRoute, false},
      {{{kExact, "/foo/"}, {kPrefix, "/"}}, "/foo", 1, false},
  };
  for (const auto& c : cases) {
    CAPTURE(c.rules.front().path, c.rules.back().path, c.path);
    const PathMatch match = make_trie(c.rules).match(c.path);
    CHECK(match.route == c.route);
    CHECK(match.add_slash == c.add_slash);
  }
}

TEST_CASE("PathTrie: the first of two equal rules stays", "[routing]") {
  PathTrie trie;
  for (const std::string_view path : {"/", "/a", "/a/", "/a/b"}) {
    CAPTURE(path);
    CHECK(trie.add(kPrefix, path, 1));
    CHECK_FALSE(trie.add(kPrefix, path, 2));
    CHECK_FALSE(trie.add(kSpecific, path, 3));
    CHECK(trie.match(path).route == 1);
    CHECK(trie.add(kExact, path, 4));
    CHECK_FALSE(trie.add(kExact, path, 5));
    CHECK(trie.match(path).route == 4);
  }
}

TEST_CASE("PathTrie: an empty path is the root", "[routing]") {
  PathTrie trie;
  CHECK(trie.add(kPrefix, "", 1));
  CHECK_FALSE(trie.add(kPrefix, "/", 2));
  CHECK(trie.match("/").route == 1);
  CHECK(trie.match("/a/b").route == 1);
}

TEST_CASE("PathTrie: a rule that is no normalised path takes no request", "[routing]") {
  const PathTrie trie = make_trie(
      {{kPrefix, "/a//b"},
       {kPrefix, "/c//"},
       {kExact, "/d//"},
       {kPrefix, "//"},
       {kExact, "//"},
       {kPrefix, "///"}}
  );
  for (const std::string_view path : {"/", "/a", "/a/", "/a/b", "/c", "/d", "/d/"}) {
    CAPTURE(path);
    CHECK(trie.match(path).route == kNoRoute);
  }
}

TEST_CASE("PathTrie: many children of one node, and deep paths", "[routing]") {
  PathTrie trie;
  constexpr RouteIndex kChildren = 2000;
  for (RouteIndex i = 0; i < kChildren; ++i)
    REQUIRE(trie.add(kPrefix, "/p" + std::to_string(i * 7919 % kChildren), i));
  for (RouteIndex i = 0; i < kChildren; ++i)
    REQUIRE(trie.match("/p" + std::to_string(i * 7919 % kChildren) + "/x").route == i);
  CHECK(trie.match("/p2000").route == kNoRoute);

  std::string deep;
  for (int i = 0; i < 5000; ++i) deep += "/d";
  REQUIRE(trie.add(kExact, deep, kChildren));
  CHECK(trie.match(deep).route == kChildren);
  CHECK(trie.match(deep + "/d").route == kNoRoute);
  CHECK(trie.match(deep.substr(2)).route == kNoRoute);
}

TEST_CASE("PathTrie: a copy is a trie of its own", "[routing]") {
  PathTrie trie = make_trie({{kPrefix, "/a"}, {kPrefix, "/b/c"}});
  const PathTrie copy = trie;
  REQUIRE(trie.add(kPrefix, "/a/x", 9));
  CHECK(trie.match("/a/x").route == 9);
  CHECK(copy.match("/a/x").route == 0);
  CHECK(copy.match("/b/c").route == 1);
}

}  // namespace
}  // namespace cppx::routing
