#include "features/decision.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "routing/client/client_view.h"
#include "routing/endpoint/endpoint.h"
#include "routing/match/routing_table.h"
#include "routing/snapshot.h"

namespace cppx::features {
namespace {

/// "/full" has an endpoint, "/empty" none, "/none" leads to the built-in default backend.
routing::Snapshot site() {
  auto host = std::make_shared<routing::VirtualHost>();
  host->name = "a.b";
  const auto add = [&](std::string path, routing::PoolIndex pool) {
    routing::Route route;
    route.path = std::move(path);
    route.pool = pool;
    host->add_route(std::move(route));
  };
  add("/full/", 0);
  add("/empty", 1);
  add("/none", routing::kDefaultBackend);
  auto full = std::make_shared<routing::EndpointPool>();
  full->endpoints.push_back(*routing::EndpointAddress::parse("10.0.0.1", 80));
  routing::Snapshot snapshot;
  snapshot.settings = std::make_shared<const routing::ProxySettings>();
  snapshot.pools = {full, std::make_shared<const routing::EndpointPool>()};
  const std::vector<std::shared_ptr<const routing::VirtualHost>> hosts{host};
  snapshot.listeners = {
      {.name = std::string(routing::kHttpListener),
       .protocol = routing::ListenerProtocol::kHttp,
       .routes = std::make_shared<const routing::RoutingTable>(hosts),
       .certificates = nullptr}
  };
  return snapshot;
}

Decision decided(std::string_view host, std::string_view target, std::uint64_t body = 0) {
  const routing::Snapshot snapshot = site();
  routing::RequestHead head;
  head.host = host;
  head.target = target;
  head.path = target.substr(0, target.find('?'));
  head.framing = body == 0 ? routing::BodyFraming::kNone : routing::BodyFraming::kLength;
  head.content_length = body;
  std::string scratch;
  const FoundRoute found = find_route(snapshot, routing::kHttpListener, head, scratch);
  if (found.outcome != Outcome::kForward)
    return {.outcome = found.outcome, .respond = {status_of(found.outcome)}};
  return decide(snapshot, found, head, {}, {});
}

}  // namespace

TEST_CASE("decision: where a request ends, and with what status", "[features]") {
  struct Case {
    std::string_view host;
    std::string_view target;
    Outcome outcome;
    std::uint16_t status;
  };
  for (const Case& one : {
           Case{"a.b", "/full/x", Outcome::kForward, 0},
           Case{"A.B.:80", "//full/./x?y", Outcome::kForward, 0},
           Case{"a.b", "/full", Outcome::kAddSlash, 301},
           Case{"a.b", "/empty", Outcome::kNoEndpoints, 503},
           Case{"a.b", "/none", Outcome::kDefaultBackend, 404},
           Case{"a.b", "/other", Outcome::kNoRoute, 404},
           Case{"a.b", "/healthz", Outcome::kNoRoute, 404},
           Case{"other", "/", Outcome::kNoRoute, 404},
           Case{"", "/healthz", Outcome::kHealthProbe, 200},
           Case{"a.b", "/%zz", Outcome::kBadPath, 400},
           Case{"a.b", "/..", Outcome::kBadPath, 400},
       }) {
    INFO(one.host << one.target);
    const Decision decision = decided(one.host, one.target);
    CHECK(decision.outcome == one.outcome);
    CHECK(decision.respond.status == one.status);
  }
}

TEST_CASE("decision: the slash is added before the query", "[features]") {
  CHECK(decided("a.b:80", "/full?x=/").respond.location == "http://a.b/full/?x=/");
}

TEST_CASE("decision: a body over the limit is refused before anything of the route", "[features]") {
  CHECK(decided("a.b", "/full", 1024UL * 1024 + 1).outcome == Outcome::kBodyTooLarge);
  CHECK(decided("a.b", "/full/", 1024UL * 1024).outcome == Outcome::kForward);
  CHECK(decided("a.b", "/other", 1024UL * 1024 + 1).outcome == Outcome::kNoRoute);
}

TEST_CASE("decision: a listener without a table serves nothing", "[features]") {
  const routing::Snapshot snapshot = site();
  routing::RequestHead head;
  head.host = "a.b";
  head.target = head.path = "/full/";
  std::string scratch;
  const FoundRoute found = find_route(snapshot, "no-such", head, scratch);
  CHECK(found.outcome == Outcome::kNoListener);
  CHECK(status_of(found.outcome) == 404);
}

}  // namespace cppx::features
