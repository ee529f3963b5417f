#include "controller/model/decode.h"

#include <chrono>
#include <string>
#include <string_view>

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include "controller/model/base64.h"
#include "controller/model/timestamp.h"
#include "tests/unit/controller/translate_support.h"

namespace cppx::controller {
namespace {

using nlohmann::json;

template <class T>
T only(std::string_view yaml) {
  auto objects = test::objects_of(yaml);
  REQUIRE(objects.size() == 1);
  REQUIRE(std::holds_alternative<T>(objects.front()));
  return std::get<T>(objects.front());
}

json ingress_json() {
  return json::parse(R"({
    "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {
      "rules": [{"host": "www.example.com", "http": {"paths": [
        {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}
      ]}}],
      "tls": [{"hosts": ["www.example.com"], "secretName": "cert"}]
    }
  })");
}

// The error of the Ingress with one value put in its place; the text of a value is JSON.
std::string error_with(const char* pointer, std::string_view value) {
  json object = ingress_json();
  object[json::json_pointer(pointer)] = json::parse(value);
  const auto decoded = decode(object);
  return decoded ? "none" : decoded.error().detail;
}

}  // namespace

TEST_CASE("decode: an Ingress with everything cppx reads", "[controller]") {
  const auto ingress = only<Ingress>(R"(
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  namespace: shop
  uid: u-1
  resourceVersion: "42"
  generation: 3
  creationTimestamp: 2026-11-23T10:00:00Z
  deletionTimestamp: 2026-11-24T10:00:00Z
  labels: {app: web}
  annotations: {a/b: c, kubectl.kubernetes.io/last-applied-configuration: "{}"}
spec:
  ingressClassName: cppx
  defaultBackend: {service: {name: fallback, port: {name: http}}}
  tls:
  - {hosts: [a.example.com, b.example.com], secretName: cert}
  - {}
  rules:
  - host: a.example.com
    http:
      paths:
      - {path: /x, pathType: Exact, backend: {service: {name: web, port: {number: 80}}}}
      - {pathType: ImplementationSpecific, backend: {resource: {kind: Bucket, name: b}}}
  - {host: b.example.com}
)");
  using namespace std::chrono_literals;
  CHECK(ingress.meta.key == ObjectKey{"shop", "web"});
  CHECK(ingress.meta.uid == "u-1");
  CHECK(ingress.meta.resource_version == "42");
  CHECK(ingress.meta.generation == 3);
  CHECK(ingress.meta.creation_timestamp == std::chrono::sys_days(2026y / 11 / 23) + 10h);
  CHECK(ingress.meta.deleting);
  CHECK(ingress.meta.labels.at("app") == "web");
  CHECK(ingress.meta.annotations == StringMap{{"a/b", "c"}});
  CHECK(ingress.ingress_class_name == "cppx");
  REQUIRE(ingress.default_backend.has_value());
  CHECK(ingress.default_backend->service == "fallback");
  CHECK(ingress.default_backend->port == PortRef("http"));
  REQUIRE(ingress.tls.size() == 2);
  CHECK(ingress.tls[0].hosts == std::vector<std::string>{"a.example.com", "b.example.com"});
  CHECK(ingress.tls[0].secret_name == "cert");
  CHECK(ingress.tls[1].secret_name.empty());
  REQUIRE(ingress.rules.size() == 2);
  REQUIRE(ingress.rules[0].paths.size() == 2);
  CHECK(ingress.rules[0].paths[0].path_type == routing::PathType::kExact);
  CHECK(ingress.rules[0].paths[0].backend.port == PortRef(std::uint16_t{80}));
  CHECK(ingress.rules[0].paths[1].path.empty());
  CHECK(ingress.rules[0].paths[1].backend.has_resource);
  CHECK(ingress.rules[1].host == "b.example.com");
  CHECK(ingress.rules[1].paths.empty());
}

TEST_CASE("decode: the status of an Ingress", "[controller]") {
  const auto ingress = only<Ingress>(R"(
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
status: {loadBalancer: {ingress: [{ip: 192.0.2.1, ports: [{port: 80, protocol: TCP}]}, {hostname: lb.test}]}}
)");
  REQUIRE(ingress.load_balancer.size() == 2);
  CHECK(ingress.load_balancer[0] == LoadBalancerAddress{.ip = "192.0.2.1", .hostname = {}});
  CHECK(ingress.load_balancer[1] == LoadBalancerAddress{.ip = {}, .hostname = "lb.test"});
}

TEST_CASE("decode: errors name the field", "[controller]") {
  struct Row {
    const char* pointer;
    std::string_view value;
    std::string_view error;
  };
  const Row rows[] = {
      {"/metadata", "null", "metadata: missing"},
      {"/metadata", "7", "metadata: not an object"},
      {"/metadata/name", "null", "metadata.name: missing"},
      {"/metadata/name", "[]", "metadata.name: not a string"},
      {"/metadata/name", "\"a/b\"", "metadata.name: not a valid object name"},
      {"/metadata/namespace", "\"..\"", "metadata.namespace: not a valid namespace name"},
      {"/metadata/creationTimestamp", "\"soon\"",
       "metadata.creationTimestamp: \"soon\" is not a time"},
      {"/metadata/generation", "1.5", "metadata.generation: not an integer"},
      {"/metadata/annotations", "{\"a.b/c\": true}", "metadata.annotations[\"a.b/c\"]: not a string"
      },
      {"/metadata/labels", "[]", "metadata.labels: not an object"},
      {"/spec", "\"x\"", "spec: not an object"},
      {"/spec/ingressClassName", "1", "spec.ingressClassName: not a string"},
      {"/spec/rules", "{}", "spec.rules: not a list"},
      {"/spec/rules/0", "1", "spec.rules[0]: not an object"},
      {"/spec/rules/0/host", "1", "spec.rules[0].host: not a string"},
      {"/spec/rules/0/http", "[]", "spec.rules[0].http: not an object"},
      {"/spec/rules/0/http/paths/0/pathType", "null",
       "spec.rules[0].http.paths[0].pathType: missing"},
      {"/spec/rules/0/http/paths/0/pathType", "\"Regex\"",
       "spec.rules[0].http.paths[0].pathType: \"Regex\" is none of Exact, Prefix, "
       "ImplementationSpecific"},
      {"/spec/rules/0/http/paths/0/backend", "null", "spec.rules[0].http.paths[0].backend: missing"
      },
      {"/spec/rules/0/http/paths/0/backend", "{}",
       "spec.rules[0].http.paths[0].backend: neither service nor resource is set"},
      {"/spec/rules/0/http/paths/0/backend/resource", "{\"kind\": \"a\", \"name\": \"b\"}",
       "spec.rules[0].http.paths[0].backend: both service and resource are set"},
      {"/spec/rules/0/http/paths/0/backend/service/name", "\"\"",
       "spec.rules[0].http.paths[0].backend.service.name: missing"},
      {"/spec/rules/0/http/paths/0/backend/service/port", "{}",
       "spec.rules[0].http.paths[0].backend.service.port: neither number nor name is set"},
      {"/spec/rules/0/http/paths/0/backend/service/port/name", "\"http\"",
       "spec.rules[0].http.paths[0].backend.service.port: both number and name are set"},
      {"/spec/rules/0/http/paths/0/backend/service/port/number", "65536",
       "spec.rules[0].http.paths[0].backend.service.port.number: not a port number (1 to 65535)"},
      {"/spec/rules/0/http/paths/0/backend/service/port/number", "\"80\"",
       "spec.rules[0].http.paths[0].backend.service.port.number: not an integer"},
      {"/spec/rules/0/http/paths/0/backend/service/port/number", "18446744073709551615",
       "spec.rules[0].http.paths[0].backend.service.port.number: not an integer"},
      {"/spec/defaultBackend", "{}", "spec.defaultBackend: neither service nor resource is set"},
      {"/spec/tls", "1", "spec.tls: not a list"},
      {"/spec/tls/0/hosts", "\"x\"", "spec.tls[0].hosts: not a list"},
      {"/spec/tls/0/hosts/0", "1", "spec.tls[0].hosts[0]: not a string"},
      {"/spec/tls/0/secretName", "[]", "spec.tls[0].secretName: not a string"},
      {"/kind", "null", "kind: missing"},
      {"/kind", "1", "kind: not a string"},
      {"/apiVersion", "null", "apiVersion: missing"},
      {"/apiVersion", "\"networking.k8s.io/v1beta1\"",
       "apiVersion: this version of Ingress is not supported, only v1 is"},
      {"/apiVersion", "\"extensions/v1beta1\"",
       "apiVersion: this version of Ingress is not supported, only v1 is"},
  };
  for (const Row& row : rows) {
    INFO(row.pointer << " = " << row.value);
    CHECK(error_with(row.pointer, row.value) == row.error);
  }
  CHECK(error_with("/spec/rules/0/http/paths/0/path", "\"/x\"") == "none");
}

TEST_CASE("decode: errors of the other kinds name the field", "[controller]") {
  struct Row {
    std::string_view json;
    std::string_view error;
  };
  const Row rows[] = {
      {R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"spec":{"ports":[{}]}})",
       "spec.ports[0].port: missing"},
      {R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"spec":{"ports":[{"port":0}]}})",
       "spec.ports[0].port: not a port number (1 to 65535)"},
      {R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"spec":{"ports":[{"port":1,"targetPort":true}]}})",
       "spec.ports[0].targetPort: neither a port number nor a port name"},
      {R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"spec":{"selector":[]}})",
       "spec.selector: not an object"},
      {R"({"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"a"}})",
       "addressType: missing"},
      {R"({"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"a"},"addressType":"IPv5"})",
       "addressType: \"IPv5\" is none of IPv4, IPv6, FQDN"},
      {R"({"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"a"},"addressType":"IPv4","endpoints":[{"conditions":{"ready":"yes"}}]})",
       "endpoints[0].conditions.ready: not true or false"},
      {R"({"apiVersion":"v1","kind":"Endpoints","metadata":{"name":"a"},"subsets":[{"addresses":[{}]}]})",
       "subsets[0].addresses[0].ip: missing"},
      {R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"},"data":{"tls.crt":"?"}})",
       "data[\"tls.crt\"]: not valid base64"},
      {R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"},"stringData":{"x":1}})",
       "stringData.x: not a string"},
      {R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"hsts":false}})",
       "data.hsts: not a string"},
      {R"({"apiVersion":"networking.k8s.io/v1","kind":"IngressClass","metadata":{"name":"a"},"spec":{"controller":1}})",
       "spec.controller: not a string"},
      {R"({"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Namespace","metadata":{}}]})",
       "items[0].metadata.name: missing"},
      {R"({"apiVersion":"v1","kind":"List","items":[null]})", "items[0]: not an object"},
      {R"({"apiVersion":"v1","kind":"ServiceList","items":[{"metadata":{"name":"a"},"spec":1}]})",
       "items[0].spec: not an object"},
      {"7", "not an object"},
      {"[]", "not an object"},
      {"null", "not an object"},
  };
  for (const Row& row : rows) {
    INFO(row.json);
    const auto decoded = decode(json::parse(row.json));
    REQUIRE(decoded.has_error());
    CHECK(decoded.error().code == Errc::kParse);
    CHECK(decoded.error().detail == row.error);
  }
}

TEST_CASE("decode: any value in any place gives an object or an error", "[controller]") {
  const json values =
      json::parse(R"([null, true, -1, 1.5, 18446744073709551615, "", "x", [], [[]], {}, {"a": {}}])"
      );
  const json original = ingress_json();
  const json places = original.flatten();
  std::size_t decoded = 0;
  std::size_t refused = 0;
  for (auto it = places.begin(); it != places.end(); ++it) {
    // The leaf and everything above it.
    for (json::json_pointer at(it.key()); !at.empty(); at.pop_back()) {
      for (const json& value : values) {
        json object = original;
        object[at] = value;
        (decode(object) ? decoded : refused)++;
      }
    }
  }
  CHECK(decoded > 50);
  CHECK(refused > 100);
}

TEST_CASE("decode: Services", "[controller]") {
  const auto service = only<Service>(R"(
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: LoadBalancer
  clusterIP: 10.96.0.7
  selector: {app: web}
  ports:
  - {port: 80}
  - {name: named, port: 81, targetPort: http, protocol: UDP, appProtocol: h2c}
  - {name: text, port: 82, targetPort: "8082"}
)");
  CHECK(service.meta.key == ObjectKey{"default", "web"});
  CHECK(service.type == "LoadBalancer");
  CHECK(service.cluster_ip == "10.96.0.7");
  CHECK(service.has_selector);
  REQUIRE(service.ports.size() == 3);
  CHECK(service.ports[0].target_port == PortRef(std::uint16_t{80}));
  CHECK(service.ports[0].protocol == "TCP");
  CHECK(service.ports[1].target_port == PortRef("http"));
  CHECK(service.ports[1].protocol == "UDP");
  CHECK(service.ports[1].app_protocol == "h2c");
  CHECK(service.ports[2].target_port == PortRef(std::uint16_t{8082}));
  const auto external = only<Service>(
      "{apiVersion: v1, kind: Service, metadata: {name: x}, spec: {type: ExternalName, "
      "externalName: e.example.com, selector: {}}}"
  );
  CHECK(external.type == "ExternalName");
  CHECK(external.external_name == "e.example.com");
  CHECK_FALSE(external.has_selector);
}

TEST_CASE("decode: conditions of endpoints have the defaults of the API", "[controller]") {
  const auto slice = only<EndpointSlice>(R"(
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv6
ports: [{name: http, port: 8080}, {port: 53, protocol: UDP}, {name: all}]
endpoints:
- {addresses: ["fd00::1"]}
- {addresses: ["fd00::2"], conditions: {ready: false}}
- {addresses: ["fd00::3"], conditions: {ready: false, serving: true, terminating: true}, nodeName: n, zone: z}
)");
  CHECK(slice.service == "web");
  CHECK(slice.address_type == AddressType::kIPv6);
  CHECK_FALSE(slice.from_endpoints);
  REQUIRE(slice.endpoints.size() == 3);
  CHECK((slice.endpoints[0].ready && slice.endpoints[0].serving && !slice.endpoints[0].terminating)
  );
  CHECK((!slice.endpoints[1].ready && !slice.endpoints[1].serving));
  CHECK((!slice.endpoints[2].ready && slice.endpoints[2].serving && slice.endpoints[2].terminating)
  );
  CHECK(slice.endpoints[2].node_name == "n");
  CHECK(slice.endpoints[2].zone == "z");
  REQUIRE(slice.ports.size() == 3);
  CHECK(slice.ports[1].protocol == "UDP");
  CHECK(slice.ports[2].port == 0);
}

TEST_CASE("decode: legacy Endpoints give a slice for each subset", "[controller]") {
  const auto objects = test::objects_of(R"(
apiVersion: v1
kind: Endpoints
metadata: {name: web}
subsets:
- {addresses: [{ip: 10.0.0.1, nodeName: n}], notReadyAddresses: [{ip: 10.0.0.2}], ports: [{name: http, port: 80}]}
- {addresses: [{ip: "fd00::1"}], ports: [{port: 81}]}
)");
  REQUIRE(objects.size() == 2);
  const auto& first = std::get<EndpointSlice>(objects[0]);
  CHECK(first.meta.key == ObjectKey{"default", "web/0"});
  CHECK(first.service == "web");
  CHECK(first.from_endpoints);
  REQUIRE(first.endpoints.size() == 2);
  CHECK(first.endpoints[0].ready);
  CHECK_FALSE(first.endpoints[1].ready);
  CHECK_FALSE(first.endpoints[1].serving);
  CHECK(std::get<EndpointSlice>(objects[1]).address_type == AddressType::kIPv6);
  CHECK(test::objects_of("{apiVersion: v1, kind: Endpoints, metadata: {name: x}}").empty());
}

TEST_CASE("decode: Secrets, ConfigMaps, classes, Namespaces", "[controller]") {
  const auto secret = only<Secret>(R"(
apiVersion: v1
kind: Secret
metadata: {name: s}
type: kubernetes.io/tls
data: {a: aGVsbG8=, b: aGVsbG8=}
stringData: {b: plain}
)");
  CHECK(secret.type == "kubernetes.io/tls");
  CHECK(secret.data.at("a") == "hello");
  CHECK(secret.data.at("b") == "plain");
  CHECK(only<Secret>("{apiVersion: v1, kind: Secret, metadata: {name: s}}").type == "Opaque");
  const auto map =
      only<ConfigMap>("{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {k: v}}");
  CHECK(map.data.at("k") == "v");
  const auto ingress_class = only<IngressClass>(
      "{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: c, annotations: "
      "{ingressclass.kubernetes.io/is-default-class: 'true'}}, spec: {controller: x/y}}"
  );
  CHECK(ingress_class.controller == "x/y");
  CHECK(ingress_class.is_default);
  CHECK(ingress_class.meta.key == ObjectKey{"", "c"});
  const auto ns = only<Namespace>("{apiVersion: v1, kind: Namespace, metadata: {name: n}}");
  CHECK(ns.meta.key == ObjectKey{"", "n"});
}

TEST_CASE("decode: Lists, whose items may leave their type to the list", "[controller]") {
  CHECK(
      test::objects_of(R"(
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: a}}
- {apiVersion: apps/v1, kind: Deployment, metadata: {name: b}}
- {apiVersion: v1, kind: Service, metadata: {name: c}}
)")
          .size() == 2
  );
  CHECK(
      test::objects_of("{apiVersion: v1, kind: SecretList, items: [{metadata: {name: a}}]}")
          .size() == 1
  );
  const auto item = decode(json::parse(R"({"metadata":{"name":"a"}})"), "Service");
  REQUIRE(item.has_value());
  REQUIRE(item->size() == 1);
  CHECK(kind_of(item->front()) == Kind::kService);
}

TEST_CASE("decode: kinds of others are nothing", "[controller]") {
  for (const std::string_view text : {
           R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{}})",
           R"({"apiVersion":"config.openshift.io/v1","kind":"Ingress"})",
           R"({"apiVersion":"v1","kind":"Pod","spec":7})",
           R"({"apiVersion":"v1","kind":"PodList","items":[{}]})",
           R"({"apiVersion":"serving.knative.dev/v1","kind":"Service"})",
       }) {
    INFO(text);
    const auto decoded = decode(json::parse(text));
    REQUIRE(decoded.has_value());
    CHECK(decoded->empty());
  }
}

TEST_CASE("decode_base64: padding, line ends, refusals", "[controller]") {
  CHECK(decode_base64("") == "");
  CHECK(decode_base64("Zg==") == "f");
  CHECK(decode_base64("Zm8=") == "fo");
  CHECK(decode_base64("Zm9v\nYmFy\r\n") == "foobar");
  CHECK(decode_base64("/+8=") == "\xFF\xEF");
  for (const std::string_view bad :
       {"Z", "Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Z g=", "Zm9-", "=Zg="})
    CHECK_FALSE(decode_base64(bad).has_value());
}

TEST_CASE("parse_timestamp: RFC 3339 and nothing else", "[controller]") {
  using namespace std::chrono_literals;
  const auto noon = std::chrono::sys_days(2026y / 2 / 28) + 12h;
  CHECK(parse_timestamp("2026-02-28T12:00:00Z") == noon);
  CHECK(parse_timestamp("2026-02-28t12:00:00.123456z") == noon);
  CHECK(parse_timestamp("2026-02-28T14:30:00+02:30") == noon);
  CHECK(parse_timestamp("2026-02-28T11:00:00-01:00") == noon);
  for (const std::string_view bad :
       {"", "2026", "2026-02-29T12:00:00Z", "2026-02-28 12:00:00Z", "2026-02-28T12:00:00",
        "2026-02-28T24:00:00Z", "2026-02-28T12:00:00.Z", "2026-02-28T12:00:00+2",
        "2026-02-28T12:00:00Zx"})
    CHECK_FALSE(parse_timestamp(bad).has_value());
}

}  // namespace cppx::controller
