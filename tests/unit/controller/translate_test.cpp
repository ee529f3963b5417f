#include "controller/translate/translate.h"

#include <chrono>
#include <string>
#include <string_view>

#include <catch2/catch_test_macros.hpp>

#include "controller/translate/names.h"
#include "controller/translate/proxy_settings.h"
#include "controller/translate/text_values.h"
#include "features/https_redirect/policy.h"
#include "features/strict_transport_security/policy.h"
#include "tests/unit/controller/translate_support.h"
#include "tls/sni_table.h"

namespace cppx::controller {
namespace {

using namespace std::chrono_literals;
using test::settings_of;

constexpr std::string_view kTutorial = R"(
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: cppx}
spec: {controller: cppx.io/ingress-controller}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  ingressClassName: cppx
  tls: [{hosts: [www.example.com], secretName: www}]
  rules:
  - {host: www.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}
  - {host: api.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: api, port: {number: 80}}}}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: api}, spec: {ports: [{port: 80}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{port: 80}]
endpoints: [{addresses: [10.0.0.1]}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: api-1, labels: {kubernetes.io/service-name: api}}
addressType: IPv4
ports: [{port: 80}]
endpoints: [{addresses: [10.0.0.2]}]
)";

void add(Store& store, std::string_view yaml) {
  for (Object& object : test::objects_of(yaml)) store.apply(std::move(object));
}

Translation run(Translator& translator, const Store& store) {
  return translator.translate({
      .store = store,
      .names = {},
      .now = test::test_now(),
      .self_made_certificate = test::self_made_certificate(),
  });
}

const routing::VirtualHost* host_of(const Translation& translation, std::string_view name) {
  for (const auto& host : translation.snapshot->listeners.front().routes->hosts())
    if (host->name == name) return host.get();
  return nullptr;
}

}  // namespace

TEST_CASE("Translator: both listeners share one table", "[controller]") {
  const auto translation = test::translate(test::store_of(kTutorial));
  const auto& listeners = translation.snapshot->listeners;
  REQUIRE(listeners.size() == 2);
  CHECK(listeners[0].name == routing::kHttpListener);
  CHECK(listeners[0].certificates == nullptr);
  CHECK(listeners[1].name == routing::kHttpsListener);
  CHECK(listeners[1].certificates != nullptr);
  CHECK(listeners[0].routes == listeners[1].routes);
  CHECK(translation.snapshot->generation == 0);
  CHECK(*translation.secrets_in_use == std::set<ObjectKey>{{"default", "www"}});
}

TEST_CASE("Translator: an empty store is a 404 for all", "[controller]") {
  const auto translation = test::translate(Store());
  CHECK(
      test::show(translation) ==
      "host _\n  Prefix / -> default-backend +strict-transport-security\nsni default -> self-made\n"
  );
}

TEST_CASE("Translator: a change of endpoints makes one new pool and nothing else", "[controller]") {
  Translator translator({});
  Store store = test::store_of(kTutorial);
  const auto before = run(translator, store).snapshot;
  const auto same = run(translator, store).snapshot;
  CHECK(same->pools == before->pools);
  CHECK(same->settings == before->settings);
  CHECK(same->listeners[0].routes == before->listeners[0].routes);
  CHECK(same->listeners[1].certificates == before->listeners[1].certificates);

  add(store, R"(
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{port: 80}]
endpoints: [{addresses: [10.0.0.1]}, {addresses: [10.0.0.9]}]
)");
  const auto after = run(translator, store).snapshot;
  REQUIRE(after->pools.size() == 2);
  CHECK(after->pools[0] == before->pools[0]);
  CHECK(after->pools[1] != before->pools[1]);
  CHECK(after->pools[1]->identity == before->pools[1]->identity);
  CHECK(after->pools[1]->endpoints.size() == 2);
  CHECK(after->listeners[0].routes == before->listeners[0].routes);
  CHECK(after->listeners[1].certificates == before->listeners[1].certificates);
}

TEST_CASE("Translator: a change of one host leaves the others as they were", "[controller]") {
  Translator translator({});
  Store store = test::store_of(kTutorial);
  const auto before = run(translator, store);
  add(store, R"(
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: more}
spec:
  ingressClassName: cppx
  rules:
  - {host: api.example.com, http: {paths: [{path: /x, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}
)");
  const auto after = run(translator, store);
  CHECK(host_of(after, "www.example.com") == host_of(before, "www.example.com"));
  CHECK(host_of(after, "api.example.com") != host_of(before, "api.example.com"));
  CHECK(host_of(after, "api.example.com")->routes.size() == 2);
}

TEST_CASE("Translator: a Secret is parsed once, and again when it changes", "[controller]") {
  Translator translator({});
  Store store = test::store_of(kTutorial);
  const std::string secrets = test::read_text(CPPX_GOLDEN_DIR "/secrets.yaml");
  add(store, secrets);
  const auto certificate_of = [](const Translation& translation) {
    return &translation.snapshot->listeners[1].certificates->find("www.example.com");
  };
  const auto first = run(translator, store);
  const tls::Certificate* certificate = certificate_of(first);
  REQUIRE(certificate != test::self_made_certificate().get());

  // The same content as a new object, as after a list.
  Secret copy = *store.secrets().at({"default", "www"});
  copy.meta.labels.emplace("x", "y");
  store.apply(copy);
  const auto second = run(translator, store);
  CHECK(certificate_of(second) == certificate);

  copy.data = store.secrets().at({"default", "www-other"})->data;
  store.apply(copy);
  const auto third = run(translator, store);
  CHECK(certificate_of(third) != certificate);
  CHECK(certificate_of(third)->fingerprint() != certificate->fingerprint());

  store.remove(Kind::kSecret, {"default", "www"});
  const auto fourth = run(translator, store);
  CHECK(certificate_of(fourth) == test::self_made_certificate().get());
  REQUIRE(fourth.diagnostics->size() == 2);
  CHECK((*fourth.diagnostics)[0].reason == "HostNotInTls");
  CHECK((*fourth.diagnostics)[1].reason == "SecretNotFound");
}

TEST_CASE(
    "Translator: values of policies come from the ConfigMap and annotations", "[controller]"
) {
  Store store = test::store_of(kTutorial);
  add(store, R"(
apiVersion: v1
kind: ConfigMap
metadata: {name: cppx}
data: {http-redirect-code: "301", hsts-max-age: "10", hsts-include-subdomains: "false", hsts-preload: "true",
       preserve-trailing-slash: "true"}
)");
  TranslateOptions options;
  options.config_map = ObjectKey{"default", "cppx"};
  const auto translation = test::translate(store, options);
  const auto* host = host_of(translation, "www.example.com");
  REQUIRE(host != nullptr);
  const auto* redirect = host->routes[0].policies.find<features::HttpsRedirectPolicy>();
  REQUIRE(redirect != nullptr);
  CHECK(redirect->status == 301);
  CHECK(redirect->preserve_trailing_slash);
  const auto* hsts = host->routes[0].policies.find<features::StrictTransportSecurityPolicy>();
  REQUIRE(hsts != nullptr);
  CHECK(hsts->value == "max-age=10; preload");
}

TEST_CASE("GlobalSettings: defaults are those of ingress-nginx", "[controller]") {
  const GlobalSettings settings = settings_of({});
  CHECK(settings.proxy == routing::ProxySettings());
  CHECK(settings.ssl_redirect);
  CHECK_FALSE(settings.force_ssl_redirect);
  CHECK(settings.http_redirect_code == 308);
  CHECK(settings.hsts);
  CHECK(settings.hsts_value() == "max-age=31536000; includeSubDomains");
}

TEST_CASE("GlobalSettings: every key", "[controller]") {
  const GlobalSettings settings = settings_of({
      {"client-header-timeout", "61"},
      {"client-body-timeout", "62s"},
      {"keep-alive", "0"},
      {"keep-alive-requests", "63"},
      {"large-client-header-buffers", "2 16k"},
      {"proxy-connect-timeout", "500ms"},
      {"proxy-read-timeout", "2m"},
      {"proxy-send-timeout", " 64 "},
      {"proxy-next-upstream-tries", "5"},
      {"upstream-keepalive-connections", "0"},
      {"upstream-keepalive-timeout", "65"},
      {"upstream-keepalive-requests", "66"},
      {"proxy-body-size", "8M"},
      {"ssl-redirect", "f"},
      {"force-ssl-redirect", "True"},
      {"preserve-trailing-slash", "1"},
      {"http-redirect-code", "307"},
      {"hsts", "0"},
      {"hsts-max-age", "7"},
      {"hsts-include-subdomains", "false"},
      {"hsts-preload", "t"},
      {"strict-validate-path-type", "false"},
      {"no-tls-redirect-locations", "/a, /b"},
      {"use-proxy-protocol", "true"},
      {"proxy-protocol-header-timeout", "3s"},
      {"proxy-real-ip-cidr", "10.0.0.0/8, 2001:db8::1"},
      {"use-forwarded-headers", "t"},
      {"enable-real-ip", "1"},
      {"compute-full-forwarded-for", "true"},
      {"forwarded-for-header", "CF-Connecting-IP"},
      {"limit-req-status-code", "429"},
      {"limit-conn-status-code", "420"},
      {"max-worker-connections", "67"},
      {"max-worker-open-files", "68"},
  });
  CHECK(settings.proxy.client_header_timeout == 61s);
  CHECK(settings.proxy.client_body_timeout == 62s);
  CHECK(settings.proxy.keep_alive == 0s);
  CHECK(settings.proxy.keep_alive_requests == 63);
  CHECK(settings.proxy.large_client_header_bytes == 32 * 1024);
  CHECK(settings.proxy.client_request_line_bytes == 16 * 1024);
  CHECK(settings.proxy.upstream_timeouts.connect == 500ms);
  CHECK(settings.proxy.upstream_timeouts.read == 2min);
  CHECK(settings.proxy.upstream_timeouts.send == 64s);
  CHECK(settings.proxy.next_upstream.tries == 5);
  CHECK(settings.proxy.upstream_keepalive_connections == 0);
  CHECK(settings.proxy.upstream_keepalive_timeout == 65s);
  CHECK(settings.proxy.upstream_keepalive_requests == 66);
  CHECK(settings.proxy.proxy_body_size_bytes == 8 * 1024 * 1024);
  CHECK_FALSE(settings.ssl_redirect);
  CHECK(settings.force_ssl_redirect);
  CHECK(settings.preserve_trailing_slash);
  CHECK(settings.http_redirect_code == 307);
  CHECK_FALSE(settings.hsts);
  CHECK(settings.hsts_value() == "max-age=7; preload");
  CHECK_FALSE(settings.strict_validate_path_type);
  CHECK(settings.no_tls_redirect_locations == std::vector<std::string>{"/a", "/b"});
  const routing::ClientTrust& trust = settings.proxy.client_trust;
  CHECK(trust.use_proxy_protocol);
  CHECK(trust.proxy_protocol_header_timeout == 3s);
  CHECK(trust.trusted == routing::IpRanges::parse("10.0.0.0/8,2001:db8::1"));
  CHECK(trust.use_forwarded_headers);
  CHECK(trust.enable_real_ip);
  CHECK(trust.compute_full_forwarded_for);
  CHECK(trust.forwarded_for_header == "CF-Connecting-IP");
  CHECK(settings.limit_req_status_code == 429);
  CHECK(settings.limit_conn_status_code == 420);
  CHECK(settings.proxy.max_worker_connections == 67);
  CHECK(settings.proxy.max_worker_open_files == 68);
}

TEST_CASE("GlobalSettings: a bad range makes nobody trusted", "[controller]") {
  const auto trusted = [](std::string value, std::size_t problems) {
    return settings_of({{"proxy-real-ip-cidr", std::move(value)}}, problems)
        .proxy.client_trust.trusted;
  };
  CHECK(trusted("10.0.0.0/33", 1).empty());
  CHECK(trusted("10.0.0.0/8, 10.0.0/8", 1) == routing::IpRanges::parse("10.0.0.0/8"));
  CHECK(trusted("", 0) == routing::IpRanges::all_v4());
}

TEST_CASE("GlobalSettings: a bad value is reported and leaves the default", "[controller]") {
  const StringMap bad{
      {"client-header-timeout", "0"},
      {"client-body-timeout", "-1"},
      {"keep-alive", "1d"},
      {"keep-alive-requests", "many"},
      {"large-client-header-buffers", "4"},
      {"proxy-connect-timeout", ""},
      {"proxy-read-timeout", "99999999999999999999"},
      {"proxy-send-timeout", "1.5"},
      {"proxy-next-upstream-tries", "-1"},
      {"upstream-keepalive-connections", "4294967296"},
      {"proxy-body-size", "1x"},
      {"ssl-redirect", "yes"},
      {"http-redirect-code", "303"},
      {"hsts-max-age", "1y"},
      {"use-proxy-protocol", "on"},
      {"proxy-protocol-header-timeout", "0"},
      {"forwarded-for-header", "X Forwarded"},
      {"limit-req-status-code", "200"},
      {"limit-conn-status-code", "600"},
      {"max-worker-connections", "auto"},
      {"unheard-of", "1"},
  };
  const GlobalSettings settings = settings_of(bad, bad.size());
  CHECK(settings.proxy == routing::ProxySettings());
  CHECK(settings.ssl_redirect);
  CHECK(settings.http_redirect_code == 308);
  CHECK(settings.hsts_max_age_seconds == 31536000);
}

TEST_CASE("parse_duration, parse_size_bytes, parse_go_bool: forms", "[controller]") {
  CHECK(parse_duration("60") == 60s);
  CHECK(parse_duration("0") == 0s);
  CHECK(parse_duration("250ms") == 250ms);
  CHECK(parse_duration("2h") == 2h);
  for (const std::string_view bad : {"", "s", "ms", "-1", "1 s", "1.5s", "1S", "40000000000"})
    CHECK_FALSE(parse_duration(bad).has_value());
  CHECK(parse_size_bytes("0") == 0);
  CHECK(parse_size_bytes("1k") == 1024);
  CHECK(parse_size_bytes("3G") == 3ULL << 30);
  for (const std::string_view bad : {"", "k", "-1", "1kb", "1.5m", "18446744073709551615k"})
    CHECK_FALSE(parse_size_bytes(bad).has_value());
  for (const std::string_view yes : {"1", "t", "T", "TRUE", "true", "True"})
    CHECK(parse_go_bool(yes) == true);
  for (const std::string_view no : {"0", "f", "F", "FALSE", "false", "False"})
    CHECK(parse_go_bool(no) == false);
  for (const std::string_view bad : {"", "yes", "on", "tRUE", " true"})
    CHECK_FALSE(parse_go_bool(bad).has_value());
}

TEST_CASE("normalize_ingress_host: what the Kubernetes API takes", "[controller]") {
  CHECK(normalize_ingress_host("") == "_");
  CHECK(normalize_ingress_host("A.Example.COM") == "a.example.com");
  CHECK(normalize_ingress_host("*.example.com") == "*.example.com");
  CHECK(normalize_ingress_host("*.com") == "*.com");
  CHECK(normalize_ingress_host("localhost") == "localhost");
  CHECK(normalize_ingress_host(std::string(63, 'a') + ".com").has_value());
  for (const std::string& bad :
       {std::string("*"), std::string("*."), std::string("a..b"), std::string(".a"),
        std::string("a."), std::string("a.*.b"), std::string("*a.b"), std::string("a b"),
        std::string("a:80"), std::string("::1"), std::string("1.2.3.4"), std::string("*.1.2.3.4"),
        std::string("a-"), std::string(64, 'a') + ".com", std::string(254, 'a')})
    CHECK_FALSE(normalize_ingress_host(bad).has_value());
}

TEST_CASE("is_own_address: loopback and unspecified, mapped ones too", "[controller]") {
  for (const std::string_view own :
       {"127.0.0.1", "127.9.9.9", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1"})
    CHECK(is_own_address(own));
  for (const std::string_view other : {"10.0.0.1", "128.0.0.1", "fd00::1", "::2", "localhost", ""})
    CHECK_FALSE(is_own_address(other));
}

TEST_CASE("Diagnostic: text for the log", "[controller]") {
  const Diagnostic diagnostic{
      .kind = Kind::kIngress,
      .object = {"a", "b"},
      .field = "spec.tls[0]",
      .reason = "Why",
      .message = "what"
  };
  CHECK(diagnostic.to_string() == "Ingress a/b spec.tls[0]: Why: what");
  const Diagnostic whole{
      .kind = Kind::kIngressClass,
      .object = {"", "b"},
      .field = {},
      .reason = "Why",
      .message = "what"
  };
  CHECK(whole.to_string() == "IngressClass b: Why: what");
}

}  // namespace cppx::controller
