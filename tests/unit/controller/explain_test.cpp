#include <algorithm>
#include <string>
#include <string_view>

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include "controller/explain/explanation.h"
#include "controller/explain/listing.h"
#include "controller/explain/request.h"
#include "tests/unit/controller/translate_support.h"

namespace cppx::controller {
namespace {

constexpr std::string_view kSite = R"(
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: cppx}
spec: {controller: cppx.io/ingress-controller}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: other}
spec: {controller: example.com/other}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: site, creationTimestamp: "2026-01-01T00:00:00Z", annotations: {nginx.ingress.kubernetes.io/limit-rps: "7"}}
spec:
  ingressClassName: cppx
  rules:
  - host: www.example.com
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
      - {path: /api, pathType: Prefix, backend: {service: {name: api, port: {number: 80}}}}
      - {path: /api, pathType: Exact, backend: {service: {name: gone, port: {number: 80}}}}
      - {path: /files/, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
  - host: "*.example.com"
    http: {paths: [{path: /star, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: younger, creationTimestamp: "2026-02-01T00:00:00Z"}
spec:
  ingressClassName: cppx
  rules:
  - host: www.example.com
    http: {paths: [{path: /api, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: elsewhere}
spec:
  ingressClassName: other
  rules:
  - host: www.example.com
    http: {paths: [{path: /x, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: secure}
spec:
  ingressClassName: cppx
  tls: [{hosts: [secure.test], secretName: missing}]
  rules:
  - host: secure.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: api}, spec: {ports: [{port: 80}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [{addresses: ["10.0.0.1"]}, {addresses: ["10.0.0.2"]}]
)";

Explanation explained(const ExplainWords& words) {
  const Store store = test::store_of(kSite);
  const TranslateOptions options;
  const Translation translation = test::translate(store, options);
  const auto request = make_explain_request(words);
  INFO((request ? std::string() : request.error().detail));
  REQUIRE(request.has_value());
  return explain(
      *request, {.snapshot = *translation.snapshot,
                 .diagnostics = *translation.diagnostics,
                 .store = &store,
                 .options = options,
                 .now = test::test_now()}
  );
}

Explanation explained(const std::string& url) {
  return explained(ExplainWords{.url = url, .method = {}, .fields = {}, .client_ip = {}});
}

std::string why(const Explanation& explanation, std::string_view what) {
  const auto it = std::ranges::find_if(explanation.bypassed, [&](const Bypassed& one) {
    return one.what.find(what) != std::string::npos;
  });
  return it == explanation.bypassed.end() ? std::string() : it->why;
}

bool tells(const Explanation& explanation, std::string_view name, std::string_view reason) {
  return std::ranges::any_of(explanation.diagnostics, [&](const Diagnostic& one) {
    return one.object.name == name && one.reason == reason;
  });
}

}  // namespace

TEST_CASE("explain: the longest path, its pool and policies, and why others lost", "[controller]") {
  const auto out = explained("http://WWW.example.com:8080/files/a//b?q=1#part");
  CHECK(out.served());
  CHECK(out.status == 0);
  CHECK(out.path == "/files/a/b");
  REQUIRE(out.route);
  CHECK(out.route->host == "www.example.com");
  CHECK(out.route->path == "/files/");
  CHECK(out.route->ingress == "site");
  CHECK(out.route->field == "spec.rules[0].http.paths[3]");
  REQUIRE(out.pool);
  CHECK(out.pool->endpoints == std::vector<std::string>{"10.0.0.1:8080", "10.0.0.2:8080"});
  CHECK(std::ranges::any_of(out.route->policies, [](const auto& policy) {
    return policy.first == "rate-limit" && policy.second.find("rps=7") != std::string::npos;
  }));
  CHECK(why(out, "path / (Prefix)") == "takes the request too, but /files/ is longer");
  CHECK(why(out, "path /api (Prefix)") == "does not take /files/a/b");
  CHECK(
      why(out, "host *.example.com") == "host www.example.com is named exactly, which comes first"
  );
  CHECK(why(out, "Ingress default/elsewhere") == "is of a class that is not ours");
  CHECK(tells(out, "younger", "PathConflict"));
  CHECK_FALSE(tells(out, "secure", "SecretNotFound"));
  CHECK_FALSE(out.certificate);
}

TEST_CASE("explain: what is answered here, with status and cause", "[controller]") {
  const auto exact = explained("http://www.example.com/api");
  CHECK(exact.status == 503);
  CHECK_FALSE(exact.served());
  CHECK(exact.message == "pool default/gone:80 is empty: its Service does not exist");
  CHECK(why(exact, "path /api (Prefix)") == "Exact comes before Prefix for /api");

  const auto empty = explained("http://www.example.com/api/x");
  CHECK(empty.status == 503);
  CHECK(empty.message == "pool default/api:80 is empty: its Service has no ready endpoint");
  CHECK(tells(empty, "api", "NoEndpoints"));

  const auto slash = explained("http://www.example.com/files?a=b");
  CHECK(slash.status == 301);
  CHECK(slash.location == "http://www.example.com/files/?a=b");
  CHECK(slash.served());

  const auto host = explained("http://nobody.test/");
  CHECK(host.status == 404);
  CHECK(host.message == "no rule has the host: the built-in default backend answers");

  const auto path = explained("http://a.example.com/other");
  CHECK(path.status == 404);
  CHECK(path.message.starts_with("host *.example.com is there, but none of its paths takes"));
  CHECK(why(path, "path /star (Prefix)") == "does not take /other");

  CHECK(explained("http://www.example.com/%zz").status == 400);
  CHECK(explained("http://nobody.test/healthz").status == 200);

  const auto large = explained(ExplainWords{
      .url = "www.example.com/",
      .method = "POST",
      .fields = {"Content-Length: 9999999"},
      .client_ip = {}
  });
  CHECK(large.status == 413);
}

TEST_CASE("explain: TLS, its certificate, and the redirect to it", "[controller]") {
  const auto plain = explained("http://secure.test/a/");
  CHECK(plain.status == 308);
  CHECK(plain.location == "https://secure.test/a");
  CHECK(plain.outcome == features::Outcome::kFiltered);
  const auto secure = explained("https://secure.test/a");
  CHECK(secure.status == 0);
  REQUIRE(secure.certificate);
  CHECK(secure.certificate->fallback);
  CHECK(secure.certificate->secret.empty());
  CHECK_FALSE(secure.certificate->covers);
  CHECK(tells(secure, "secure", "SecretNotFound"));
}

TEST_CASE("explain: as JSON it has no more than it should", "[controller]") {
  const auto json = to_json(explained("https://secure.test/a"));
  CHECK(json["served"] == true);
  CHECK(json["route"]["ingress"] == "secure");
  CHECK(json["certificate"]["default"] == true);
  CHECK_FALSE(json.contains("status"));
  CHECK(json.dump().find("PRIVATE KEY") == std::string::npos);
}

TEST_CASE("explain: words that cannot be used are refused in one line", "[controller]") {
  for (const char* url :
       {"", "ftp://a.b/", "http:///x", "http://a b/", "http://a.b/x y", "http://u@a.b/"}) {
    INFO(url);
    const auto made =
        make_explain_request({.url = url, .method = {}, .fields = {}, .client_ip = {}});
    REQUIRE(made.has_error());
    CHECK(made.error().detail.find('\n') == std::string::npos);
  }
  const auto with = [](std::string method, std::string field, std::string client) {
    return make_explain_request(
        {.url = "http://a.b/",
         .method = std::move(method),
         .fields = {std::move(field)},
         .client_ip = std::move(client)}
    );
  };
  CHECK(with("GET", "X: y", "2001:db8::1").has_value());
  CHECK(with("G T", "X: y", "").has_error());
  CHECK(with("GET", "no colon", "").has_error());
  CHECK(with("GET", "X: a\r\nY: b", "").has_error());
  CHECK(with("GET", "X: y", "300.1.1.1").has_error());
  const auto host = with("", "host: c.d:81", "");
  REQUIRE(host.has_value());
  CHECK(host->authority == "c.d:81");
  CHECK(host->server_name == "a.b");
}

TEST_CASE("explain: words survive the way through a query", "[controller]") {
  const ExplainWords words{
      .url = "https://a.b/x?y=1&z=%20+#f",
      .method = "POST",
      .fields = {"X: a=b&c d", "Cookie: ü"},
      .client_ip = "2001:db8::1"
  };
  const auto back = explain_words_of_query(to_query(words));
  REQUIRE(back.has_value());
  CHECK(back->url == words.url);
  CHECK(back->method == words.method);
  CHECK(back->fields == words.fields);
  CHECK(back->client_ip == words.client_ip);
  for (const char* query : {"", "url=", "url=a%2", "url=%zz", "nonsense=1", "method=GET"})
    CHECK(explain_words_of_query(query).has_error());
}

TEST_CASE("list_routes: hosts by name, without what nobody asked for", "[controller]") {
  const Store store = test::store_of(kSite);
  const auto rows = list_routes(*test::translate(store).snapshot);
  REQUIRE(rows.size() == 6);
  CHECK(rows[0].host == "*.example.com");
  CHECK(rows[0].path == "/star");
  CHECK(rows[0].ready == 2);
  CHECK(rows[1].host == "secure.test");
  CHECK(rows[1].tls == "default");
  CHECK(rows[3].path == "/api");
  CHECK(rows[3].path_type == "Exact");
  CHECK(rows[3].ready == 0);
  CHECK(rows[5].path == "/files/");
  CHECK(rows[5].backend == "web:80");
  CHECK(rows[5].tls.empty());
  CHECK(to_json(rows).size() == 6);
}

}  // namespace cppx::controller
