#include "routing/dump.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>

namespace cppx::routing {
namespace {

struct RedirectPolicy final : Policy {
  static constexpr Feature kFeature = Feature::kHttpsRedirect;
};

Route make_route(PathType type, std::string_view path, PoolIndex pool, std::string_view ingress) {
  Route route;
  route.path_type = type;
  route.path = path;
  route.pool = pool;
  if (!ingress.empty())
    route.origin = {
        .ns = "default", .ingress = std::string(ingress), .service = "", .service_port = ""
    };
  return route;
}

std::shared_ptr<const RoutingTable> make_routes() {
  auto web = std::make_shared<VirtualHost>();
  web->name = "www.example.com";
  web->tls = true;
  web->add_route(make_route(PathType::kPrefix, "/", 1, "web"));
  web->add_route(make_route(PathType::kPrefix, "/b", 0, "web"));
  web->add_route(make_route(PathType::kExact, "/b", 7, "other"));
  web->add_route(make_route(PathType::kImplementationSpecific, "/a/", kDefaultBackend, ""));
  web->routes[0].policies.set(std::make_shared<const RedirectPolicy>());
  auto any = std::make_shared<VirtualHost>();
  any->name = "*.example.com";
  return std::make_shared<const RoutingTable>(
      std::vector<std::shared_ptr<const VirtualHost>>{std::move(web), std::move(any)}
  );
}

Snapshot make_snapshot(
    std::shared_ptr<const RoutingTable> http, std::shared_ptr<const RoutingTable> https
) {
  Snapshot snapshot;
  auto api = std::make_shared<EndpointPool>();
  api->name = "default/api:80";
  auto web = std::make_shared<EndpointPool>();
  web->name = "default/web:80";
  web->status = PoolStatus::kReady;
  web->endpoints = {
      *EndpointAddress::parse("10.244.0.5", 8080), *EndpointAddress::parse("fd00::6", 8080)
  };
  snapshot.pools = {std::move(api), std::move(web)};
  snapshot.listeners = {
      {.name = "http",
       .protocol = ListenerProtocol::kHttp,
       .routes = std::move(http),
       .certificates = nullptr},
      {.name = "https",
       .protocol = ListenerProtocol::kHttps,
       .routes = std::move(https),
       .certificates = nullptr},
  };
  return snapshot;
}

constexpr std::string_view kHosts =
    "host *.example.com\n"
    "host www.example.com tls\n"
    "  Prefix / -> default/web:80 [ns=default ingress=web] +https-redirect\n"
    "  ImplementationSpecific /a/ -> default-backend\n"
    "  Exact /b -> no-such-pool [ns=default ingress=other]\n"
    "  Prefix /b -> default/api:80 [ns=default ingress=web]\n";
constexpr std::string_view kPools =
    "pool default/api:80 no-endpoints\n"
    "pool default/web:80 ready 10.244.0.5:8080 [fd00::6]:8080\n";

TEST_CASE("dump: hosts, routes and pools in a fixed order", "[routing]") {
  const auto routes = make_routes();
  CHECK(dump(make_snapshot(routes, routes)) == std::string(kHosts) + std::string(kPools));
}

TEST_CASE("dump: listeners of different tables are told apart", "[routing]") {
  const auto empty =
      std::make_shared<const RoutingTable>(std::vector<std::shared_ptr<const VirtualHost>>());
  CHECK(
      dump(make_snapshot(empty, make_routes())) ==
      "listener http\nlistener https\n" + std::string(kHosts) + std::string(kPools)
  );
}

TEST_CASE("dump: every status of a pool has a word of its own", "[routing]") {
  const std::pair<PoolStatus, std::string_view> cases[] = {
      {PoolStatus::kReady, "ready"},
      {PoolStatus::kNoService, "no-service"},
      {PoolStatus::kNoPort, "no-port"},
      {PoolStatus::kNoEndpoints, "no-endpoints"},
      {PoolStatus::kNotResolved, "not-resolved"},
      {PoolStatus::kRefused, "refused"},
  };
  for (const auto& [status, word] : cases) {
    Snapshot snapshot;
    auto pool = std::make_shared<EndpointPool>();
    pool->name = "p";
    pool->status = status;
    snapshot.pools = {std::move(pool)};
    CHECK(dump(snapshot) == "pool p " + std::string(word) + "\n");
  }
  CHECK(dump(Snapshot()).empty());
}

}  // namespace
}  // namespace cppx::routing
