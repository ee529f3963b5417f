// Which endpoints count as new, and since when: what slow start and health records go by.

#include "controller/translate/arrivals.h"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "controller/cache/store.h"
#include "controller/model/objects.h"
#include "controller/translate/translate.h"
#include "routing/endpoint/endpoint.h"
#include "routing/snapshot.h"
#include "tests/unit/controller/translate_support.h"

namespace cppx::controller {
namespace {

using namespace std::chrono_literals;
using routing::JoinTime;
using routing::kFromTheStart;
using AddressTexts = std::vector<std::string>;
using JoinTimes = std::vector<JoinTime>;

constexpr JoinTime kFirst{1h};
constexpr JoinTime kThen{2h};
constexpr JoinTime kLater{3h};

constexpr std::string_view kSlowStart =
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: cppx}, data: {upstream-slow-start: '30'}}";

TranslateOptions join_options() {
  TranslateOptions out;
  out.config_map = ObjectKey{"default", "cppx"};
  return out;
}

/// Services, each with an Ingress of its own, and their endpoints.
struct JoinSite {
  explicit JoinSite(std::string_view config = kSlowStart) { apply(config); }

  void apply(std::string_view yaml) {
    for (Object& object : test::objects_of(yaml)) store.apply(std::move(object));
  }
  void serve(const std::string& name, const AddressTexts& addresses, std::string_view note = "") {
    apply(fmt::format(
        R"(
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {0}
  annotations: {{kubernetes.io/ingress.class: cppx{1}}}
spec:
  rules:
  - host: {0}.test
    http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: {0}, port: {{number: 80}}}}}}}}]}}
---
{{apiVersion: v1, kind: Service, metadata: {{name: {0}}}, spec: {{ports: [{{port: 80}}]}}}}
)",
        name, note
    ));
    endpoints(name, addresses);
  }
  void endpoints(const std::string& name, const AddressTexts& addresses) {
    std::string list;
    for (const std::string& address : addresses)
      list += fmt::format("{{addresses: [{}]}}, ", address);
    apply(fmt::format(
        R"(
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {0}-1, labels: {{kubernetes.io/service-name: {0}}}}}
addressType: IPv4
ports: [{{port: 8080}}]
endpoints: [{1}]
)",
        name, list
    ));
  }
  void update(std::optional<JoinTime> time) {
    last = translator
               .translate({
                   .store = store,
                   .names = {},
                   .now = test::test_now(),
                   .self_made_certificate = test::self_made_certificate(),
                   .join_time = time,
               })
               .snapshot;
  }
  /// Join times of the endpoints of a Service; empty: all are from the start.
  [[nodiscard]] JoinTimes joined(const std::string& name) const {
    for (const auto& pool : last->pools) {
      if (pool->name != fmt::format("default/{}:80", name)) continue;
      CHECK((pool->joined.empty() || pool->joined.size() == pool->endpoints.size()));
      return pool->joined;
    }
    FAIL("no pool of " << name);
    return {};
  }

  Store store;
  Translator translator{join_options()};
  std::shared_ptr<const routing::Snapshot> last;
};

}  // namespace

TEST_CASE("Arrivals: what is added to others has a join time, and keeps it", "[controller]") {
  JoinSite site;
  site.serve("web", {"10.0.0.1", "10.0.0.3"});
  site.update(kFirst);
  CHECK(site.joined("web").empty());
  site.endpoints("web", {"10.0.0.1", "10.0.0.2", "10.0.0.3"});
  site.update(kThen);
  CHECK(site.joined("web") == JoinTimes{kFromTheStart, kThen, kFromTheStart});
  // Also when the pool is made anew for another endpoint, or for hashes.
  site.endpoints("web", {"10.0.0.2", "10.0.0.3", "10.0.0.4"});
  site.update(kLater);
  CHECK(site.joined("web") == JoinTimes{kThen, kFromTheStart, kLater});
  site.serve(
      "web", {"10.0.0.2", "10.0.0.3", "10.0.0.4"},
      ", nginx.ingress.kubernetes.io/upstream-hash-by: $request_uri"
  );
  site.update(kLater + 1h);
  CHECK(site.joined("web") == JoinTimes{kThen, kFromTheStart, kLater});
}

TEST_CASE("Arrivals: where no other endpoint stays nothing is new", "[controller]") {
  JoinSite site;
  site.serve("web", {});
  site.update(kFirst);
  site.endpoints("web", {"10.0.0.1", "10.0.0.2"});
  site.update(kThen);
  CHECK(site.joined("web").empty());
  site.endpoints("web", {"10.0.0.3", "10.0.0.4"});
  site.update(kThen);
  CHECK(site.joined("web").empty());
  site.endpoints("web", {});
  site.update(kLater);
  CHECK(site.joined("web").empty());
}

TEST_CASE("Arrivals: an endpoint that went and comes back is new again", "[controller]") {
  JoinSite site;
  site.serve("web", {"10.0.0.1", "10.0.0.2"});
  site.update(kFirst);
  site.endpoints("web", {"10.0.0.1"});
  site.update(kThen);
  CHECK(site.joined("web").empty());
  site.endpoints("web", {"10.0.0.1", "10.0.0.2"});
  site.update(kLater);
  CHECK(site.joined("web") == JoinTimes{kFromTheStart, kLater});
}

TEST_CASE("Arrivals: what another Service has is not new", "[controller]") {
  JoinSite site;
  site.serve("web", {"10.0.0.1"});
  site.serve("old", {"10.0.0.2"});
  site.update(kFirst);
  site.endpoints("web", {"10.0.0.1", "10.0.0.2"});
  site.update(kThen);
  CHECK(site.joined("web").empty());

  SECTION("nor is it when it leaves that one") {
    site.endpoints("web", {"10.0.0.1"});
    site.update(kThen);
    site.endpoints("web", {"10.0.0.1", "10.0.0.2"});
    site.endpoints("old", {});
    site.update(kLater);
    CHECK(site.joined("web").empty());
  }
  SECTION("it is as new as it is there") {
    site.endpoints("web", {"10.0.0.1", "10.0.0.2", "10.0.0.3"});
    site.update(kThen);
    site.endpoints("old", {"10.0.0.2", "10.0.0.3"});
    site.update(kLater);
    CHECK(site.joined("old") == JoinTimes{kFromTheStart, kThen});
  }
  SECTION("two that get it at once") {
    site.endpoints("web", {"10.0.0.1", "10.0.0.9"});
    site.endpoints("old", {"10.0.0.2", "10.0.0.9"});
    site.update(kLater);
    CHECK(site.joined("web") == JoinTimes{kFromTheStart, kLater});
    CHECK(site.joined("old") == JoinTimes{kFromTheStart, kLater});
  }
}

TEST_CASE("Arrivals: a Service that is new has no endpoint newer than others", "[controller]") {
  JoinSite site;
  site.serve("web", {"10.0.0.1"});
  site.update(kFirst);
  site.serve("new", {"10.0.0.2", "10.0.0.3"});
  site.update(kThen);
  CHECK(site.joined("new").empty());
  // One that goes and comes back is new, too.
  site.store.remove(Kind::kIngress, {"default", "new"});
  site.update(kThen);
  site.serve("new", {"10.0.0.2", "10.0.0.3", "10.0.0.4"});
  site.update(kLater);
  CHECK(site.joined("new").empty());
}

TEST_CASE(
    "Arrivals: nothing is new before the first snapshot, or where nobody asks", "[controller]"
) {
  const bool ejection = GENERATE(true, false);
  const bool slow_start = GENERATE(true, false);
  const bool wanted = ejection || slow_start;
  CAPTURE(ejection, slow_start);
  JoinSite site(fmt::format(
      "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: cppx}}, data: "
      "{{upstream-ejection-failures: '{}', upstream-slow-start: '{}'}}}}",
      ejection ? 3 : 0, slow_start ? 30 : 0
  ));
  site.serve("web", {"10.0.0.1"});
  site.update(std::nullopt);
  site.endpoints("web", {"10.0.0.1", "10.0.0.2"});
  site.update(std::nullopt);
  CHECK(site.joined("web").empty());
  site.endpoints("web", {"10.0.0.1", "10.0.0.2", "10.0.0.3"});
  site.update(kThen);
  CHECK(site.joined("web").empty() == !wanted);
}

}  // namespace cppx::controller
