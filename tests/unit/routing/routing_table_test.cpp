#include "routing/match/routing_table.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>

namespace cppx::routing {
namespace {

using HostList = std::vector<std::shared_ptr<const VirtualHost>>;

/// A host with Prefix paths; the service of each route's origin is "<mark><path>".
std::shared_ptr<const VirtualHost> make_host(
    std::string_view name, const std::vector<std::string_view>& paths, std::string_view mark = ""
) {
  auto host = std::make_shared<VirtualHost>();
  host->name = name;
  for (const std::string_view path : paths) {
    Route route;
    route.path = path;
    route.origin.service = std::string(mark) + std::string(path);
    REQUIRE(host->add_route(std::move(route)));
  }
  return host;
}

TEST_CASE("RoutingTable: exact host, then wildcard of one label, then catch-all", "[routing]") {
  const RoutingTable table(HostList{
      make_host("_", {"/"}), make_host("*.example.com", {"/"}), make_host("www.example.com", {"/"}),
      make_host("*.b.example.com", {"/"}), make_host("xn--bcher-kva.example.org", {"/"})
  });
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"www.example.com", "www.example.com"},
      {"WWW.Example.com", "www.example.com"},
      {"www.example.com.", "www.example.com"},
      {"api.example.com", "*.example.com"},
      {"b.example.com", "*.example.com"},
      {"a.b.example.com", "*.b.example.com"},
      {"a.c.example.com", "_"},
      {"a.b.b.example.com", "_"},
      {"example.com", "_"},
      {"www.example.com.evil.org", "_"},
      {"XN--bcher-kva.example.org", "xn--bcher-kva.example.org"},
      {"10.0.0.1", "_"},
      {"[::1]", "_"},
      {"_", "_"},
      {"", "_"},
      {".", "_"},
  };
  for (const auto& [host, name] : cases) {
    CAPTURE(host);
    CHECK(table.find_host(host).name == name);
    const RouteMatch match = table.match(host, "/x");
    REQUIRE(match.host != nullptr);
    CHECK(match.host->name == name);
    CHECK(match.route == &match.host->routes[0]);
  }
}

TEST_CASE("RoutingTable: a host that matched is never left for its paths", "[routing]") {
  const RoutingTable table(HostList{
      make_host("_", {"/", "/c"}), make_host("*.example.com", {"/w", "/both"}),
      make_host("a.example.com", {"/a", "/both"}), make_host("empty.example.com", {})
  });
  CHECK(table.match("a.example.com", "/a").route->origin.service == "/a");
  CHECK(table.match("a.example.com", "/w").route == nullptr);
  CHECK(table.match("a.example.com", "/c").route == nullptr);
  CHECK(table.match("a.example.com", "/c").host->name == "a.example.com");
  CHECK(table.match("b.example.com", "/w").route->origin.service == "/w");
  CHECK(table.match("b.example.com", "/c").route == nullptr);
  CHECK(table.match("empty.example.com", "/c").route == nullptr);
  CHECK(table.match("other.org", "/c").route->origin.service == "/c");
}

TEST_CASE("RoutingTable: without a catch-all an empty one is made", "[routing]") {
  const RoutingTable table(HostList{make_host("z.example.com", {"/"})});
  const RouteMatch match = table.match("unknown", "/");
  REQUIRE(match.host != nullptr);
  CHECK(match.host->name == "_");
  CHECK(match.route == nullptr);
  CHECK_FALSE(match.add_slash);

  const RoutingTable nothing(HostList{});
  CHECK(nothing.match("unknown", "/").host->name == "_");
  CHECK(nothing.hosts().size() == 1);
  CHECK(nothing.size() == 1);
}

TEST_CASE("RoutingTable: hosts come sorted, the first of a name given twice stays", "[routing]") {
  const auto first = make_host("b.example.com", {"/"}, "first");
  const RoutingTable table(HostList{
      make_host("c.example.com", {"/"}), first, make_host("*.example.com", {"/"}),
      make_host("b.example.com", {"/"}, "second"), make_host("_", {"/"}, "first"),
      make_host("a.example.com", {"/"}), make_host("_", {"/"}, "second")
  });
  std::vector<std::string_view> names;
  for (const auto& host : table.hosts()) names.emplace_back(host->name);
  CHECK(
      names ==
      std::vector<std::string_view>{
          "*.example.com", "_", "a.example.com", "b.example.com", "c.example.com"
      }
  );
  CHECK(&table.find_host("b.example.com") == first.get());
  CHECK(table.match("unknown", "/").route->origin.service == "first/");
}

TEST_CASE(
    "RoutingTable: a table made from another has other hosts, catch-all included", "[routing]"
) {
  const RoutingTable table(HostList{make_host("a.example.com", {"/"}), make_host("b.test", {"/"})});
  const RoutingTable next = table.with({
      {"a.example.com", make_host("a.example.com", {"/new"})},
      {"b.test", nullptr},
      {"_", make_host("_", {"/all"})},
  });
  CHECK(next.match("a.example.com", "/new").route->path == "/new");
  CHECK(next.match("a.example.com", "/").route == nullptr);
  CHECK(next.match("b.test", "/all").route->path == "/all");
  CHECK(next.hosts().size() == 2);
  CHECK(next.size() == 2);
  CHECK(table.match("a.example.com", "/").route->path == "/");
  CHECK(table.match("b.test", "/").host->name == "b.test");
  CHECK(table.match("unknown", "/all").route == nullptr);

  const RoutingTable last = next.with({{"_", nullptr}});
  CHECK(last.match("unknown", "/all").host->name == "_");
  CHECK(last.match("unknown", "/all").route == nullptr);
  CHECK(last.match("a.example.com", "/new").route->path == "/new");
}

TEST_CASE("RoutingTable: tells when a slash is missing", "[routing]") {
  const RoutingTable table(HostList{make_host("a.example.com", {"/", "/app/"})});
  const RouteMatch match = table.match("a.example.com", "/app");
  REQUIRE(match.route != nullptr);
  CHECK(match.add_slash);
  CHECK(match.route->path == "/app/");
  CHECK_FALSE(table.match("a.example.com", "/app/").add_slash);
  CHECK(table.match("a.example.com", "/apple").route->path == "/");
}

TEST_CASE("RoutingTable: a copy and a moved one answer alike", "[routing]") {
  RoutingTable table(HostList{make_host("a.example.com", {"/a"})});
  const RoutingTable copy = table;
  const RoutingTable moved = std::move(table);
  for (const RoutingTable* each : {&copy, &moved}) {
    CHECK(each->match("a.example.com", "/a").route->path == "/a");
    CHECK(each->match("b.example.com", "/a").host->name == "_");
  }
}

TEST_CASE("VirtualHost: says which routes it took", "[routing]") {
  VirtualHost host;
  Route route;
  route.path = "/a";
  CHECK(host.add_route(route));
  CHECK_FALSE(host.add_route(route));
  route.path_type = PathType::kExact;
  CHECK(host.add_route(route));
  route.path_type = PathType::kImplementationSpecific;
  CHECK_FALSE(host.add_route(route));
  CHECK(host.routes.size() == 2);
}

TEST_CASE("RoutingTable: a host whose only rule takes all paths", "[routing]") {
  const auto add_root = [](VirtualHost& host, PathType type) {
    Route route;
    route.path_type = type;
    return host.add_route(std::move(route));
  };
  auto exact = std::make_shared<VirtualHost>();
  exact->name = "exact.example.com";
  REQUIRE(add_root(*exact, PathType::kExact));
  auto both = std::make_shared<VirtualHost>();
  both->name = "both.example.com";
  REQUIRE(add_root(*both, PathType::kPrefix));
  REQUIRE(add_root(*both, PathType::kExact));
  const RoutingTable table(HostList{
      exact, both, make_host("all.example.com", {"/"}), make_host("foo.example.com", {"/foo"})
  });
  for (const std::string_view path : {"/", "/a", "/a/b/", "//"}) {
    const RouteMatch match = table.match("all.example.com", path);
    REQUIRE(match.route != nullptr);
    CHECK(match.route->path == "/");
    CHECK(match.host->name == "all.example.com");
    CHECK_FALSE(match.add_slash);
  }
  CHECK(table.match("exact.example.com", "/").route == exact->routes.data());
  CHECK(table.match("exact.example.com", "/a").route == nullptr);
  CHECK(table.match("both.example.com", "/").route == &both->routes[1]);
  CHECK(table.match("both.example.com", "/a").route == both->routes.data());
  CHECK(table.match("foo.example.com", "/").route == nullptr);
  CHECK(table.match("nobody.example.com", "/").route == nullptr);
}

}  // namespace
}  // namespace cppx::routing
