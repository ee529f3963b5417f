#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include "controller/kube/kube_source.h"
#include "controller/kube/label_selector.h"
#include "tests/unit/controller/fake_kube_api.h"
#include "tests/unit/controller/kube_source_setup.h"
#include "tests/unit/controller/kube_support.h"

namespace cppx::controller::test {
namespace {

using nlohmann::json;

json ingress_json(const std::string& ns, const std::string& name) {
  return {{"metadata", {{"name", name}, {"namespace", ns}}}, {"spec", json::object()}};
}

struct NamespacesSetup : KubeSourceSetup {
  explicit NamespacesSetup(KubeSourceOptions given) : KubeSourceSetup(std::move(given)) {
    for (const char* ns : {"bank", "shop"}) {
      api.put(kServices, service_json(ns, "web"));
      api.put(kIngresses, ingress_json(ns, "web"));
    }
  }
  void put_namespace(const std::string& name) {
    api.put(kNamespaces, {{"metadata", {{"name", name}}}});
  }
  void remove_namespace(const std::string& name) { api.remove(kNamespaces, "", name); }
  bool has(Kind kind, const std::string& ns) const { return sink.has(kind, ns, "web"); }
  bool asked_for(const std::string& part) const {
    return std::ranges::any_of(api.server.requests, [&](const FakeRequest& request) {
      return request.target.find(part) != std::string::npos;
    });
  }
};

KubeSourceOptions two_namespaces() {
  KubeSourceOptions options;
  options.namespaces = {"bank", "shop"};
  return options;
}

KubeSourceOptions by_selector() {
  KubeSourceOptions options;
  options.namespace_selector = "team in (a, b)";
  return options;
}

FakeReply forbidden() { return {403, {}, FakeKubeApi::status(403, "no").dump()}; }

}  // namespace

TEST_CASE("KubeSource: namespaces of a selector are followed and dropped", "[controller]") {
  NamespacesSetup test(by_selector());
  test.put_namespace("shop");
  REQUIRE(test.start_and_sync());
  CHECK(test.asked_for("/api/v1/namespaces?limit=3&labelSelector=team%20in%20%28a%2C%20b%29"));
  CHECK(test.has(Kind::kIngress, "shop"));
  CHECK_FALSE(test.asked_for("/namespaces/bank/"));
  CHECK_FALSE(test.asked_for("/api/v1/services"));
  REQUIRE(test.until([&] { return test.api.server.held("watch=1") == 7; }));

  test.put_namespace("bank");
  REQUIRE(test.until([&] { return test.has(Kind::kIngress, "bank"); }));
  CHECK(test.has(Kind::kService, "bank"));
  CHECK(test.source->state().synced);

  test.remove_namespace("shop");
  REQUIRE(test.until([&] { return !test.has(Kind::kIngress, "shop"); }));
  CHECK_FALSE(test.has(Kind::kService, "shop"));
  CHECK(test.has(Kind::kIngress, "bank"));
  // Its watches are closed, and what they would have told reaches nobody.
  REQUIRE(test.until([&] { return test.api.server.held("/namespaces/shop/") == 0; }));

  test.put_namespace("shop");
  REQUIRE(test.until([&] { return test.has(Kind::kIngress, "shop"); }));
}

TEST_CASE("KubeSource: a selector that nothing matches is synced all the same", "[controller]") {
  NamespacesSetup test(by_selector());
  REQUIRE(test.start_and_sync());
  CHECK(test.sink.count(Kind::kIngress) == 0);
}

TEST_CASE(
    "KubeSource: with no namespace to follow a refused kind is done without", "[controller]"
) {
  NamespacesSetup test(by_selector());
  test.api.overrides["/ingressclasses"] = forbidden();
  CHECK(test.start_and_sync());
}

TEST_CASE("KubeSource: a namespace that went during an outage is dropped", "[controller]") {
  NamespacesSetup test(by_selector());
  test.put_namespace("shop");
  test.put_namespace("bank");
  REQUIRE(test.start_and_sync());
  REQUIRE(test.until([&] { return test.api.server.held("watch=1") == 12; }));
  test.api.server.stop();
  test.remove_namespace("shop");
  test.api.compact();
  test.api.server.start();
  REQUIRE(test.until([&] { return !test.has(Kind::kIngress, "shop"); }));
  CHECK(test.has(Kind::kIngress, "bank"));
}

TEST_CASE("KubeSource: without the right to list namespaces it never is synced", "[controller]") {
  NamespacesSetup test(by_selector());
  test.api.overrides["/api/v1/namespaces?"] = forbidden();
  test.start();
  REQUIRE(test.until([&] {
    return test.source->state().waiting_for == "list of Namespaces: 403 Forbidden: no";
  }));
  CHECK_FALSE(test.source->state().synced);
}

TEST_CASE("KubeSource: Ingresses of a namespace come after what they lead to", "[controller]") {
  NamespacesSetup test(two_namespaces());
  test.api.overrides["/namespaces/shop/services"] = forbidden();
  test.start();
  REQUIRE(test.until([&] { return test.has(Kind::kIngress, "bank"); }));
  CHECK(test.has(Kind::kService, "bank"));
  CHECK_FALSE(test.asked_for("/namespaces/shop/ingresses"));
  test.api.overrides.clear();
  REQUIRE(test.until([&] { return test.has(Kind::kIngress, "shop"); }));
  CHECK(test.has(Kind::kService, "shop"));
}

TEST_CASE("KubeSource: a namespace without rights does not keep another waiting", "[controller]") {
  NamespacesSetup test(two_namespaces());
  test.api.overrides["/namespaces/shop/"] = forbidden();
  REQUIRE(test.start_and_sync());
  CHECK(test.has(Kind::kIngress, "bank"));
  CHECK_FALSE(test.has(Kind::kIngress, "shop"));
  CHECK(test.source->state().trouble.find("in namespace shop: 403 Forbidden") != std::string::npos);
  // The right that comes later is enough.
  test.api.overrides.clear();
  REQUIRE(test.until([&] { return test.has(Kind::kIngress, "shop"); }));
  REQUIRE(test.until([&] { return test.source->state().trouble.empty(); }));
}

TEST_CASE("KubeSource: without rights in any namespace it never is synced", "[controller]") {
  NamespacesSetup test(two_namespaces());
  test.api.overrides["/namespaces/"] = forbidden();
  test.start();
  REQUIRE(test.until([&] {
    return test.source->state().waiting_for.find("403 Forbidden") != std::string::npos;
  }));
  test.io.run_for(std::chrono::milliseconds(30));
  CHECK_FALSE(test.source->state().synced);
}

TEST_CASE("KubeSource: a wanted Secret of a dropped namespace is given up", "[controller]") {
  NamespacesSetup test(by_selector());
  test.put_namespace("shop");
  test.api.put(kSecrets, secret_json("shop", "auth", "Opaque"));
  REQUIRE(test.start_and_sync());
  REQUIRE(test.until([&] { return test.api.server.held("watch=1") == 7; }));
  test.api.overrides["/secrets/auth"] = FakeReply{503, {}, "{}"};
  test.source->set_wanted(Kind::kSecret, {{"shop", "auth"}});
  REQUIRE(test.until([&] { return test.asked_for("/secrets/auth"); }));
  test.remove_namespace("shop");
  REQUIRE(test.until([&] { return !test.has(Kind::kIngress, "shop"); }));
  test.api.overrides.clear();
  test.put_namespace("shop");
  REQUIRE(test.until([&] { return test.sink.has(Kind::kSecret, "shop", "auth"); }));
}

TEST_CASE("check_label_selector: takes what kubectl takes", "[controller]") {
  for (const char* good :
       {"team=web", "team==web", "team!=web", "team in (a,b)", "team notin ( a , b )", "team",
        "!team", "size>5", "size < -1", "a=b,c in (d,e),!f", "example.com/team=a_b.c-d",
        "a=", " a = b , c ", "in", "a in ()"}) {
    CAPTURE(good);
    CHECK(check_label_selector(good).has_value());
  }
  for (const char* bad : {"",        ",",      "a=b,",    "=b",
                          "a=b=c",   "a in b", "a in (b", "a in",
                          "a notin", "a>b",    "a b",     "-a",
                          "a-",      "/a",     "a/",      "UP.example.com/a",
                          "a=b c",   "!a=b",   "a=(b)",   "a\n=b&watch=0",
                          "!!a"}) {
    CAPTURE(bad);
    const auto checked = check_label_selector(bad);
    REQUIRE(checked.has_error());
    CHECK(checked.error().detail.find("is not a label selector") != std::string::npos);
  }
}

}  // namespace cppx::controller::test
