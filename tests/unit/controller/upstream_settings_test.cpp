#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "controller/translate/annotations.h"
#include "controller/translate/proxy_settings.h"
#include "controller/translate/upstream_keys.h"
#include "features/upstream_retries/policy.h"
#include "tests/unit/controller/translate_support.h"

namespace cppx::controller {
namespace {

using namespace std::chrono_literals;
using routing::BalanceAlgorithm;
using test::settings_of;

IngressAnnotations annotations_of(const StringMap& data, std::size_t diagnostics = 0) {
  Ingress ingress;
  for (const auto& [name, value] : data) ingress.meta.annotations["p/" + name] = value;
  DiagnosticList list;
  const auto read = read_annotations(ingress, "p", list);
  CHECK(list.take().size() == diagnostics);
  return read;
}

}  // namespace

TEST_CASE("Upstream keys: every one", "[controller]") {
  const StringMap data{
      {"load-balance", "ewma"},
      {"proxy-connect-timeout", "1"},
      {"proxy-next-upstream", "http_502"},
      {"proxy-next-upstream-timeout", "2"},
      {"proxy-next-upstream-tries", "3"},
      {"proxy-read-timeout", "4"},
      {"proxy-send-timeout", "5"},
      {"retry-budget-least", "6"},
      {"retry-budget-percent", "7"},
      {"upstream-ejection-failures", "8"},
      {"upstream-ejection-longest", "9"},
      {"upstream-ejection-return", "10"},
      {"upstream-ejection-time", "11"},
      {"upstream-max-connections", "12"},
      {"upstream-max-pending", "13"},
      {"upstream-slow-start", "14"},
  };
  for (const SettingsReader& reader : upstream_settings_readers()) {
    CAPTURE(reader.name);
    CHECK(data.contains(std::string(reader.name)));
  }
  const routing::ProxySettings proxy = settings_of(data).proxy;
  CHECK(proxy.load_balance == BalanceAlgorithm::kEwma);
  CHECK(proxy.upstream_timeouts == routing::UpstreamTimeouts{1s, 5s, 4s});
  CHECK(features::to_string(proxy.next_upstream.conditions) == "http_502");
  CHECK(proxy.next_upstream.total == 2s);
  CHECK(proxy.next_upstream.tries == 3);
  CHECK(proxy.retry_budget == routing::RetryBudgetSettings{.percent = 7, .least_per_second = 6});
  CHECK(
      proxy.ejection ==
      routing::EjectionSettings{.failures = 8, .first = 11s, .longest = 9s, .return_time = 10s}
  );
  CHECK(proxy.endpoint_limits == routing::EndpointLimits{.connections = 12, .pending = 13});
  CHECK(proxy.upstream_slow_start == 14s);
}

TEST_CASE("Upstream keys: bad values leave the defaults", "[controller]") {
  const StringMap bad{
      {"load-balance", "random"},         {"proxy-connect-timeout", "0"},
      {"proxy-next-upstream", "errors"},  {"proxy-next-upstream-timeout", "x"},
      {"proxy-next-upstream-tries", "x"}, {"retry-budget-least", "-1"},
      {"retry-budget-percent", "20%"},    {"upstream-ejection-failures", "x"},
      {"upstream-ejection-longest", "0"}, {"upstream-ejection-return", "x"},
      {"upstream-ejection-time", "0"},    {"upstream-max-connections", "x"},
      {"upstream-max-pending", "x"},      {"upstream-slow-start", "x"},
  };
  CHECK(settings_of(bad, bad.size()).proxy == routing::ProxySettings());
}

TEST_CASE("Upstream annotations: every one, and bad values", "[controller]") {
  const StringMap good{
      {"proxy-connect-timeout", "1"},      {"proxy-send-timeout", "2"},
      {"proxy-read-timeout", "3"},         {"proxy-next-upstream", "timeout"},
      {"proxy-next-upstream-tries", "4"},  {"proxy-next-upstream-timeout", "0"},
      {"load-balance", "least_request"},   {"upstream-hash-by", "$host"},
      {"upstream-hash-by-subset", "true"}, {"upstream-hash-by-subset-size", "64"},
  };
  const auto all = annotations_of(good);
  const UpstreamAnnotations& read = all.upstream;
  CHECK(all.needs_hashes());
  CHECK(read.connect_timeout == 1s);
  CHECK(read.send_timeout == 2s);
  CHECK(read.read_timeout == 3s);
  CHECK(features::to_string(read.next_upstream.value()) == "timeout");
  CHECK(read.next_upstream_tries == 4U);
  CHECK(read.next_upstream_timeout == 0s);
  CHECK(read.load_balance == BalanceAlgorithm::kLeastRequest);
  CHECK(read.hash_by->text() == "$host");
  CHECK(read.hash_by_subset == true);
  CHECK(read.hash_by_subset_size == 64U);

  StringMap bad;
  for (const auto& [name, value] : good) bad[name] = "$bad;";
  const auto nothing = annotations_of(bad, bad.size());
  CHECK_FALSE(nothing.needs_hashes());
  CHECK_FALSE(nothing.upstream.connect_timeout.has_value());
  CHECK_FALSE(nothing.upstream.load_balance.has_value());
  // An empty one is as good as none.
  for (auto& [name, value] : bad) value = " ";
  annotations_of(bad);
  annotations_of({{"upstream-hash-by-subset-size", "65"}}, 1);
}

TEST_CASE("Affinity annotations: every one, and bad values", "[controller]") {
  const StringMap good{
      {"affinity", "cookie"},
      {"affinity-mode", "persistent"},
      {"affinity-canary-behavior", "legacy"},
      {"session-cookie-name", "route"},
      {"session-cookie-path", "/p"},
      {"session-cookie-domain", "example.com"},
      {"session-cookie-expires", "10"},
      {"session-cookie-max-age", "20"},
      {"session-cookie-samesite", "Strict"},
      {"session-cookie-secure", "true"},
      {"session-cookie-conditional-samesite-none", "true"},
      {"session-cookie-change-on-failure", "true"},
  };
  const auto read = annotations_of(good);
  CHECK(read.needs_hashes());
  CHECK(
      read.affinity.affinity("/route") ==
      features::SessionAffinity{
          .cookie_name = "route",
          .persistent = true,
          .change_on_failure = true,
          .legacy_canary = true,
          .path = "/p",
          .domain = "example.com",
          .expires_seconds = 10,
          .max_age_seconds = 20,
          .secure = true,
          .same_site = features::SameSite::kStrict,
          .conditional_same_site_none = true
      }
  );
  StringMap bad;
  for (const auto& [name, value] : good) bad[name] = "bad; value";
  const auto nothing = annotations_of(bad, bad.size());
  CHECK_FALSE(nothing.needs_hashes());
  CHECK_FALSE(nothing.affinity.affinity("/").has_value());

  const auto plain = annotations_of({{"affinity", "cookie"}});
  CHECK(plain.affinity.affinity("/route")->path == "/route");
  CHECK(plain.affinity.affinity("/a;b")->path == "/");
  auto others = good;
  others.erase("affinity");
  CHECK_FALSE(annotations_of(others).affinity.affinity("/").has_value());
  annotations_of({{"session-cookie-max-age", "-1"}, {"session-cookie-expires", "2147483648"}}, 2);
}

TEST_CASE("Translator: equal policies are one object, also for the next snapshot", "[controller]") {
  constexpr std::string_view kTwo = R"(
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: cppx}
spec: {controller: cppx.io/ingress-controller}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, annotations: {nginx.ingress.kubernetes.io/proxy-read-timeout: "7", nginx.ingress.kubernetes.io/upstream-hash-by: $host}}
spec:
  ingressClassName: cppx
  rules:
  - {host: a.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}
  - {host: b.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{port: 80}]
endpoints: [{addresses: [10.0.0.1]}]
)";
  const Store store = test::store_of(kTwo);
  Translator translator({});
  const auto translate = [&] {
    return translator
        .translate(
            {.store = store,
             .names = {},
             .now = test::test_now(),
             .self_made_certificate = test::self_made_certificate()}
        )
        .snapshot;
  };
  const auto first = translate();
  const auto second = translate();
  CHECK(first->listeners[0].routes == second->listeners[0].routes);
  CHECK(first->pools == second->pools);
  const auto& hosts = first->listeners[0].routes->hosts();
  std::vector<const routing::PolicySet*> sets;
  for (const auto& host : hosts)
    if (host->name != "_") sets.push_back(&host->routes.front().policies);
  REQUIRE(sets.size() == 2);
  CHECK(*sets[0] == *sets[1]);
  CHECK(sets[0]->has(routing::Feature::kUpstreamTimeouts));
  CHECK(sets[0]->has(routing::Feature::kLoadBalancing));
}

}  // namespace cppx::controller
