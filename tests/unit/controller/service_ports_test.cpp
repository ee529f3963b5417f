// Changes of a Service's port. When it is renamed the Service has the new name first, and its
// slices follow.

#include <fmt/format.h>

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

constexpr std::string_view kRoute = R"(
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, annotations: {kubernetes.io/ingress.class: cppx}}
spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}
)";

/// A route to port 80 of the Service "web", whose port and slices change.
struct PortSite {
  explicit PortSite(const TranslateOptions& options = {}, std::string_view route = kRoute)
      : translator(options) {
    apply(route);
  }

  void apply(std::string_view yaml) {
    for (Object& object : test::objects_of(yaml)) store.apply(std::move(object));
  }
  void service(std::string_view port) {
    apply(fmt::format(
        "{{apiVersion: v1, kind: Service, metadata: {{name: web}}, spec: {{ports: [{{{}}}]}}}}",
        port
    ));
  }
  void slice(int number, std::string_view ports) {
    apply(fmt::format(
        R"(
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: web-{0}, labels: {{kubernetes.io/service-name: web}}}}
addressType: IPv4
ports: [{1}]
endpoints: [{{addresses: [10.0.0.{0}]}}]
)",
        number, ports
    ));
  }
  Translation update() {
    return translator.translate({
        .store = store,
        .names = {},
        .now = test::test_now(),
        .self_made_certificate = test::self_made_certificate(),
    });
  }
  std::vector<std::string> endpoints() {
    std::vector<std::string> out;
    for (const auto& endpoint : update().snapshot->pools[0]->endpoints)
      out.push_back(endpoint.to_string());
    return out;
  }

  Store store;
  Translator translator;
};

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("Translator: a Service port that is renamed keeps its pool", "[controller]") {
  const std::string_view target = GENERATE("", ", targetPort: 80");
  PortSite site;
  site.service(fmt::format("port: 80{}", target));
  site.slice(1, "{port: 80}");
  site.slice(2, "{port: 80}");
  const auto before = site.update();
  REQUIRE(before.snapshot->pools[0]->endpoints.size() == 2);
  CHECK(before.diagnostics->empty());
  for (const std::string_view name : {", name: http", ", name: web", ""}) {
    INFO(name);
    site.service(fmt::format("port: 80{}{}", target, name));
    const auto renamed = site.update();
    CHECK(renamed.snapshot->pools == before.snapshot->pools);
    CHECK(renamed.diagnostics->empty());
    for (const int number : {1, 2}) site.slice(number, fmt::format("{{port: 80{}}}", name));
    CHECK(site.update().snapshot->pools == before.snapshot->pools);
  }
}

TEST_CASE("Translator: a new name of a port is the port at its target's number", "[controller]") {
  PortSite site;
  site.slice(1, "{port: 8080, name: web}, {port: 9090, name: metrics}");
  SECTION("as it was") {
    site.service("port: 80, targetPort: 8080, name: web");
    CHECK(site.endpoints() == Texts{"10.0.0.1:8080"});
  }
  SECTION("renamed") {
    site.service("port: 80, targetPort: 8080, name: http");
    CHECK(site.endpoints() == Texts{"10.0.0.1:8080"});
  }
  SECTION("the last one left, and without a name from now on") {
    site.service("port: 80, targetPort: 8080");
    CHECK(site.endpoints() == Texts{"10.0.0.1:8080"});
  }
  SECTION("twice in the slice") {
    site.slice(1, "{port: 8080, name: web}, {port: 8080, name: also}");
    site.service("port: 80, targetPort: 8080, name: http");
    CHECK(site.endpoints() == Texts{"10.0.0.1:8080"});
  }
  SECTION("another number") {
    site.service("port: 80, targetPort: 8081, name: http");
    CHECK(site.endpoints().empty());
    CHECK(site.update().diagnostics->at(0).reason == "NoEndpoints");
  }
  SECTION("no number") {
    site.service("port: 80, targetPort: web, name: http");
    CHECK(site.endpoints().empty());
  }
  SECTION("another protocol") {
    site.slice(1, "{port: 8080, name: web, protocol: UDP}");
    site.service("port: 80, targetPort: 8080, name: http");
    CHECK(site.endpoints().empty());
  }
}

TEST_CASE("Translator: a port name that any slice has is never taken by number", "[controller]") {
  PortSite site;
  site.service("port: 80, targetPort: 8080, name: http");
  site.slice(1, "{port: 8080, name: web}");
  CHECK(site.endpoints() == Texts{"10.0.0.1:8080"});
  site.slice(2, "{port: 8081, name: http}");
  CHECK(site.endpoints() == Texts{"10.0.0.2:8081"});
  site.slice(2, "{port: 8081, name: http, protocol: UDP}");
  CHECK(site.endpoints().empty());
  site.store.remove(Kind::kEndpointSlice, {"default", "web-2"});
  CHECK(site.endpoints() == Texts{"10.0.0.1:8080"});
}

TEST_CASE("Translator: the default backend has the protocol of its Service", "[controller]") {
  TranslateOptions options;
  options.default_backend_service = ObjectKey{"default", "web"};
  PortSite site(options, "");
  site.slice(1, "{port: 80}");
  for (const std::string_view protocol : {"", ", appProtocol: grpc", ""}) {
    INFO(protocol);
    site.service(fmt::format("port: 80{}", protocol));
    const std::string shown = test::show(site.update());
    CHECK(shown.find("/ -> default/web:80") != std::string::npos);
    CHECK((shown.find("over GRPC") != std::string::npos) == !protocol.empty());
  }
}

}  // namespace cppx::controller
