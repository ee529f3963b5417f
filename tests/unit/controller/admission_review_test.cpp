#include <fmt/format.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <catch2/benchmark/catch_benchmark.hpp>
#include <catch2/catch_test_macros.hpp>

#include "controller/admission/review.h"
#include "tests/unit/controller/translate_support.h"
#include "tests/unit/support/allocation_count.h"

namespace cppx::controller {
namespace {

constexpr std::string_view kCluster = R"(
{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: cppx}, spec: {controller: cppx.io/ingress-controller}}
---
{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: other}, spec: {controller: example.com/other}}
---
{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: first, namespace: default, creationTimestamp: "2026-01-01T00:00:00Z"}
spec:
  ingressClassName: cppx
  tls: [{hosts: [www.example.com], secretName: missing}]
  rules:
  - host: www.example.com
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
      - {path: /a, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: second, namespace: default, creationTimestamp: "2026-02-01T00:00:00Z"}
spec:
  ingressClassName: cppx
  rules:
  - host: www.example.com
    http: {paths: [{path: /a, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: third, namespace: default, creationTimestamp: "2026-03-01T00:00:00Z"}
spec:
  ingressClassName: cppx
  rules:
  - host: www.example.com
    http: {paths: [{path: /a, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
)";

/// What an Ingress of a test is made of.
struct Words {
  std::string name = "new";
  std::string host = "new.example.com";
  std::string path = "/";
  std::string type = "Prefix";
  std::string service = "web";
  std::string annotations = "";
  std::string spec = "";  ///< More of it.
  std::string class_name = "cppx";
  std::string created = "";
  std::string meta = "";  ///< More of it.
};

Ingress ingress_of(const Words& words) {
  auto objects = test::objects_of(fmt::format(
      R"(apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {}, namespace: default, annotations: {{{}}}{}{}}}
spec:
  ingressClassName: {}
  rules:
  - host: "{}"
    http: {{paths: [{{path: '{}', pathType: {}, backend: {{service: {{name: {}, port: {{number: 80}}}}}}}}]}}
  {}
)",
      words.name, words.annotations,
      words.created.empty() ? "" : ", creationTimestamp: \"" + words.created + "\"", words.meta,
      words.class_name, words.host, words.path, words.type, words.service, words.spec
  ));
  REQUIRE(objects.size() == 1);
  return std::get<Ingress>(objects[0]);
}

AdmissionVerdict verdict_of(Ingress ingress, const TranslateOptions& options = {}) {
  return Reviewer(options, test::self_made_certificate())
      .review(test::store_of(kCluster), std::move(ingress));
}

AdmissionVerdict verdict_of(const Words& words, const TranslateOptions& options = {}) {
  return verdict_of(ingress_of(words), options);
}

std::string annotation(std::string_view name, std::string_view value) {
  return fmt::format("nginx.ingress.kubernetes.io/{}: {}", name, value);
}

void check_denied(const AdmissionVerdict& verdict, std::string_view part) {
  INFO(verdict.message);
  CHECK_FALSE(verdict.allowed);
  CHECK(verdict.message.find(part) != std::string::npos);
  CHECK(verdict.message.find('\n') == std::string::npos);
}

void check_warned(const AdmissionVerdict& verdict, std::string_view part) {
  INFO(verdict.message);
  CHECK(verdict.allowed);
  REQUIRE(verdict.warnings.size() == 1);
  CHECK(verdict.warnings[0].find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("review: a good Ingress passes without a word", "[controller]") {
  const auto verdict = verdict_of(Words{});
  CHECK(verdict.allowed);
  CHECK(verdict.message.empty());
  CHECK(verdict.warnings.empty());
}

TEST_CASE("review: a path of another Ingress is refused, with its name", "[controller]") {
  check_denied(
      verdict_of(Words{.host = "WWW.example.com"}),
      "spec.rules[0].http.paths[0]: PathConflict: / of host www.example.com is served by Ingress "
      "default/first"
  );
  // Exact and Prefix of one text are two things, and so are two hosts.
  CHECK(verdict_of(Words{.host = "www.example.com", .type = "Exact"}).allowed);
  CHECK(verdict_of(Words{.host = "www.example.com", .path = "/b"}).allowed);
  check_denied(
      verdict_of(Words{.host = "www.example.com", .path = "/a", .type = "ImplementationSpecific"}),
      "default/first"
  );
  // Whoever is older: nobody's path is taken away.
  check_denied(
      verdict_of(Words{.host = "www.example.com", .created = "2025-01-01T00:00:00Z"}),
      "Ingress default/first spec.rules[0].http.paths[0]: PathConflict"
  );
  check_denied(
      verdict_of(Words{
          .spec =
              R"(- {host: new.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}})"
      }),
      "is there already in this Ingress"
  );
}

TEST_CASE("review: an Ingress as it is in the cluster already may be changed", "[controller]") {
  // In conflict before and after: not this change's doing.
  const Words second{
      .name = "second",
      .host = "www.example.com",
      .path = "/a",
      .annotations = annotation("limit-rps", "'5'"),
      .created = "2026-02-01T00:00:00Z"
  };
  const auto verdict = verdict_of(second);
  CHECK(verdict.allowed);
  CHECK(verdict.warnings.size() == 1);
  // Its owner lets go of a path, and those who wait for it stay as they are.
  CHECK(verdict_of(
            Words{.name = "first", .host = "www.example.com", .created = "2026-01-01T00:00:00Z"}
  )
            .allowed);
  // A new conflict of an old Ingress.
  check_denied(
      verdict_of(
          Words{.name = "second", .host = "www.example.com", .created = "2026-02-01T00:00:00Z"}
      ),
      "default/first"
  );
}

TEST_CASE("review: catch-alls", "[controller]") {
  const std::string backend = "defaultBackend: {service: {name: web, port: {number: 80}}}";
  CHECK(verdict_of(Words{.spec = backend}).allowed);
  TranslateOptions options;
  options.disable_catch_all = true;
  check_denied(verdict_of(Words{.spec = backend}, options), "CatchAllDisabled");
  Ingress lone = ingress_of(Words{.spec = backend});
  lone.rules.clear();
  CHECK(verdict_of(lone).allowed);
  Store store = test::store_of(kCluster);
  Ingress other = lone;
  other.meta.key.name = "other";
  store.apply(other);
  const Reviewer reviewer({}, test::self_made_certificate());
  check_denied(reviewer.review(store, lone), "the default backend for all hosts");
  check_denied(reviewer.review(store, ingress_of(Words{.host = ""})), "default/other");
}

TEST_CASE("review: bad paths, hosts and annotations are refused", "[controller]") {
  check_denied(
      verdict_of(Words{.path = "relative", .type = "ImplementationSpecific"}), "InvalidPath"
  );
  check_denied(verdict_of(Words{.path = "/a b"}), "PathRefused");
  check_denied(verdict_of(Words{.path = "/a//b"}), "InvalidPath");
  check_denied(verdict_of(Words{.host = "10.0.0.1"}), "InvalidHost");
  check_denied(
      verdict_of(Words{.annotations = annotation("ssl-redirect", "maybe")}), "InvalidAnnotation"
  );
  check_denied(
      verdict_of(Words{.annotations = annotation("limit-rps", "'-1'")}),
      "metadata.annotations[\"nginx.ingress.kubernetes.io/limit-rps\"]"
  );
  TranslateOptions options;
  options.annotations_prefix = "example.com";
  check_denied(
      verdict_of(Words{.annotations = annotation("ssl-redirect", "'true'")}, options), "WrongPrefix"
  );
  CHECK(verdict_of(Words{.annotations = "example.com/ssl-redirect: 'true'"}, options).allowed);
}

TEST_CASE("review: what may come later, and what is ignored, is a warning", "[controller]") {
  check_warned(verdict_of(Words{.service = "later"}), "ServiceNotFound");
  check_warned(
      verdict_of(Words{.spec = "tls: [{hosts: [new.example.com], secretName: later}]"}),
      "SecretNotFound"
  );
  check_warned(
      verdict_of(Words{.annotations = annotation("no-such-thing", "x")}), "UnsupportedAnnotation"
  );
  check_warned(verdict_of(Words{.class_name = "no-such-class"}), "IngressClassNotFound");
}

TEST_CASE("review: what is not ours is not judged", "[controller]") {
  const auto other = verdict_of(Words{
      .host = "www.example.com",
      .annotations = annotation("ssl-redirect", "maybe"),
      .class_name = "other"
  });
  CHECK(other.allowed);
  CHECK(other.warnings.empty());
  CHECK(verdict_of(Words{
                       .host = "www.example.com",
                       .meta = ", deletionTimestamp: \"2026-01-01T00:00:00Z\""
                   })
            .allowed);
  Store store = test::store_of(kCluster);
  store.apply(ingress_of(Words{.name = "elsewhere", .host = "taken.test", .class_name = "other"}));
  CHECK(Reviewer({}, test::self_made_certificate())
            .review(store, ingress_of(Words{.host = "taken.test"}))
            .allowed);
}

// Text that was once run, read or called because an Ingress said so.
TEST_CASE("review: attacks on a configuration are refused or mean nothing", "[controller]") {
  for (const char* snippet :
       {"configuration-snippet", "server-snippet", "auth-snippet", "stream-snippet",
        "modsecurity-snippet"})  // CVE-2021-25742
    check_denied(
        verdict_of(Words{.annotations = annotation(snippet, "'return 200 x;'")}), "SnippetRefused"
    );
  for (const char* path :
       {"/var/run/secrets/kubernetes.io/serviceaccount/token", "/x/{alias /etc/;}",
        "/etc/nginx/nginx.conf", "/a_by_lua_block"})  // CVE-2021-25745
    check_denied(verdict_of(Words{.path = path, .type = "ImplementationSpecific"}), "PathRefused");
  check_denied(verdict_of(Words{.path = "/a;}{proxy_pass http://evil.test"}), "PathRefused");
  for (const char* name :
       {"permanent-redirect", "auth-url", "auth-tls-match-cn", "mirror-target", "mirror-host",
        "rewrite-target", "whitelist-source-range"}) {
    // CVE-2023-5043, CVE-2023-5044, CVE-2025-1097, CVE-2025-1098, CVE-2025-24514: nothing is made
    // of text.
    const auto verdict = verdict_of(Words{
        .annotations = annotation(name, R"("http://x/;\n}\nssl_engine /tmp/cppx-evil.so;\n#")")
    });
    INFO(name);
    CHECK(verdict.message.find('\n') == std::string::npos);
    for (const auto& warning : verdict.warnings) CHECK(warning.find('\n') == std::string::npos);
  }
  // CVE-2025-1974 and 1098: the UID as a way in.
  check_denied(
      verdict_of(Words{.meta = R"(, uid: "x;}\nload_module /tmp/cppx-evil.so;")"}), "InvalidUid"
  );
}

// Of what one request may have a control thread do while everybody's changes wait.
TEST_CASE("review: what is too large is refused, unless it was already", "[controller]") {
  constexpr std::size_t kMost = 10'000;
  const auto host = [](std::size_t i) { return fmt::format("h{}.example.com", i); };
  const Ingress small = ingress_of(Words{});
  Ingress rules = small;
  for (std::size_t i = 1; i < kMost; ++i) rules.rules.push_back({.host = host(i), .paths = {}});
  CHECK(verdict_of(rules).allowed);
  rules.rules.push_back({.host = "one.example.com", .paths = {}});
  check_denied(verdict_of(rules), "spec.rules: TooLarge: has 10001 rules, 10000 at most");

  Ingress paths = small;
  paths.rules.at(0).paths.resize(kMost + 1);
  check_denied(verdict_of(paths), "spec.rules: TooLarge: has 10001 paths");
  Ingress entries = small;
  entries.tls.resize(kMost + 1);
  check_denied(verdict_of(entries), "spec.tls: TooLarge: has 10001 entries");
  Ingress hosts = small;
  hosts.tls.resize(2);
  hosts.tls[0].hosts.resize(kMost);
  hosts.tls[1].hosts.resize(1);
  check_denied(verdict_of(hosts), "spec.tls: TooLarge: has 10001 hosts");
  Ingress annotations = small;
  for (std::size_t i = 0; i <= kMost; ++i) annotations.meta.annotations[host(i)] = "x";
  check_denied(verdict_of(annotations), "metadata.annotations: TooLarge: has 10001 annotations");

  // What is there is not held against a change of it.
  Store store = test::store_of(kCluster);
  store.apply(rules);
  const Reviewer reviewer({}, test::self_made_certificate());
  rules.meta.annotations["note"] = "changed";
  CHECK(reviewer.review(store, rules).allowed);
  rules.rules.push_back({.host = "two.example.com", .paths = {}});
  check_denied(reviewer.review(store, rules), "spec.rules: TooLarge: has 10002 rules");

  // None of our business.
  rules.ingress_class_name = "other";
  CHECK(verdict_of(rules).allowed);
  rules.ingress_class_name = "cppx";
  rules.meta.deleting = true;
  CHECK(verdict_of(rules).allowed);
}

TEST_CASE("review: a Secret is taken once, however often it is named", "[controller]") {
  constexpr std::size_t kSecretBytes = 1'000'000;
  Secret large;
  large.meta.key = {.ns = "default", .name = "large"};
  large.type = "kubernetes.io/tls";
  large.data = {{"tls.crt", std::string(kSecretBytes, 'x')}, {"tls.key", "x"}};
  Store store = test::store_of(kCluster);
  store.apply(large);
  Ingress ingress = ingress_of(Words{});
  for (int i = 0; i < 1000; ++i) ingress.tls.push_back({.hosts = {}, .secret_name = "large"});
  const Reviewer reviewer({}, test::self_made_certificate());
  const auto before = cppx::test::allocated_bytes();
  CHECK(reviewer.review(store, ingress).allowed);
  CHECK(cppx::test::allocated_bytes() - before < 20 * kSecretBytes);
}

// Nothing of that can be counted: each host compared with each, it would take minutes.
TEST_CASE("review: many hosts are looked up among those of many Ingresses", "[controller]") {
  const auto name_of = [](std::size_t number) {
    return fmt::format(
        "all-that-comes-before-it-is-the-same.and-there-is-quite-a-lot-of-that.n{:06}.test", number
    );
  };
  constexpr std::size_t kHosts = 10'000;
  constexpr std::size_t kOthers = 200'000;
  Ingress reviewed = ingress_of(Words{.host = name_of(0)});
  for (std::size_t i = 1; i < kHosts; ++i)
    reviewed.rules.push_back({.host = name_of(i), .paths = {}});
  Store store = test::store_of(kCluster);
  Ingress other;
  other.meta.key = {.ns = "default", .name = "other"};
  other.ingress_class_name = "cppx";
  for (std::size_t i = kHosts; i < kHosts + kOthers; ++i)
    other.rules.push_back({.host = name_of(i), .paths = {}});
  store.apply(other);
  const Reviewer reviewer({}, test::self_made_certificate());
  CHECK(reviewer.review(store, reviewed).allowed);

  store.apply(ingress_of(Words{.name = "taken", .host = "ALL-" + name_of(0).substr(4)}));
  check_denied(reviewer.review(store, reviewed), "default/taken");
}

TEST_CASE("review: cost with ten thousand Ingresses", "[controller][!benchmark]") {
  Store store = test::store_of(kCluster);
  for (int i = 0; i < 10'000; ++i) {
    store.apply(
        ingress_of(Words{.name = fmt::format("i{}", i), .host = fmt::format("h{}.example.com", i)})
    );
    store.apply(ingress_of(Words{
        .name = fmt::format("s{}", i), .host = "shared.example.com", .path = fmt::format("/p{}", i)
    }));
  }
  const Reviewer reviewer({}, test::self_made_certificate());
  BENCHMARK("a host of its own") { return reviewer.review(store, ingress_of(Words{})); };
  BENCHMARK("a conflict") {
    return reviewer.review(store, ingress_of(Words{.host = "h77.example.com"}));
  };
  BENCHMARK("one host for all") {
    return reviewer.review(store, ingress_of(Words{.host = "shared.example.com", .path = "/new"}));
  };
  BENCHMARK("the Ingress of the reviewed text alone") { return ingress_of(Words{}); };
}

}  // namespace cppx::controller
