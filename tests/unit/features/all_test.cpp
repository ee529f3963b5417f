#include <memory>

#include <catch2/catch_test_macros.hpp>

#include "features/features.h"
#include "features/https_redirect/policy.h"
#include "features/strict_transport_security/policy.h"

namespace cppx::features {
namespace {

constexpr RequestView kPlain{
    .tls = false, .host = "a.b", .public_host = "a.b", .target = "/x?y", .path = "/x"
};
constexpr RequestView kTls{
    .tls = true,
    .scheme = "https",
    .host = "a.b",
    .public_host = "a.b",
    .target = "/x?y",
    .path = "/x"
};

Respond run(const routing::Route& route, const RequestView& request) {
  const routing::VirtualHost host;
  return run_request_filters({.host = &host, .route = &route, .add_slash = false}, request);
}

TEST_CASE("request filters: a route without policies goes on", "[features]") {
  const routing::Route route;
  CHECK(run(route, kPlain).status == 0);
  CHECK(run(route, kTls).status == 0);
}

TEST_CASE("request filters: Strict-Transport-Security answers nothing itself", "[features]") {
  routing::Route route;
  route.policies.set(std::make_shared<const StrictTransportSecurityPolicy>());
  CHECK(run(route, kPlain).status == 0);
  CHECK(run(route, kTls).status == 0);
}

TEST_CASE("request filters: the https redirect answers plain requests only", "[features]") {
  routing::Route route;
  route.policies.set(std::make_shared<const StrictTransportSecurityPolicy>());
  route.policies.set(std::make_shared<const HttpsRedirectPolicy>());
  const Respond answer = run(route, kPlain);
  CHECK(answer.status == 308);
  CHECK(answer.location == "https://a.b/x?y");
  CHECK(run(route, kTls).status == 0);
}

TEST_CASE("policies: each is of the feature its name says", "[features]") {
  routing::PolicySet set;
  set.set(std::make_shared<const HttpsRedirectPolicy>());
  CHECK(set.has(routing::Feature::kHttpsRedirect));
  CHECK_FALSE(set.has(routing::Feature::kStrictTransportSecurity));
  set.set(std::make_shared<const StrictTransportSecurityPolicy>());
  CHECK(set.find<StrictTransportSecurityPolicy>()->value == "max-age=31536000; includeSubDomains");
  CHECK(set.find<HttpsRedirectPolicy>()->status == 308);
}

}  // namespace
}  // namespace cppx::features
