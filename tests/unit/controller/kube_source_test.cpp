#include "controller/kube/kube_source.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include "tests/unit/controller/fake_kube_api.h"
#include "tests/unit/controller/kube_source_setup.h"
#include "tests/unit/controller/kube_support.h"

namespace cppx::controller::test {
namespace {

using nlohmann::json;

constexpr const char* kTls = "kubernetes.io/tls";

struct SourceSetup : KubeSourceSetup {
  using KubeSourceSetup::KubeSourceSetup;

  void put_secret(const std::string& name, const std::string& type) {
    api.put(kSecrets, secret_json("shop", name, type));
  }
  bool has_secret(const std::string& name) const { return sink.has(Kind::kSecret, "shop", name); }
  /// A Service goes through the same server after everything before it.
  bool watches_are_open(std::size_t count) {
    return until([this, count] { return api.server.held("watch=1") == count; });
  }
};

TEST_CASE("KubeSource: follows every kind and says when all are known", "[controller]") {
  SourceSetup test;
  test.api.put(kServices, service_json("shop", "web"));
  test.put_secret("cert", kTls);
  test.start();
  CHECK_FALSE(test.source->state().synced);
  CHECK(test.source->state().waiting_for == "list of Ingresses (and 5 more lists)");
  REQUIRE(test.until([&] { return test.source->state().synced; }));
  CHECK(test.sink.replaces == 6);
  CHECK(test.sink.has(Kind::kService, "shop", "web"));
  CHECK(test.has_secret("cert"));
  REQUIRE_FALSE(test.sink.states.empty());
  CHECK(test.sink.states.back().synced);
  CHECK(test.sink.states.back().waiting_for.empty());
  CHECK(test.watches_are_open(6));
}

TEST_CASE("KubeSource: what it waits for is said, and synced stays", "[controller]") {
  SourceSetup test;
  test.api.overrides["/endpointslices"] = FakeReply{500, {}, FakeKubeApi::status(500, "oh").dump()};
  test.start();
  const std::string expected = "list of EndpointSlices: 500 Internal Server Error: oh";
  REQUIRE(test.until([&] { return test.source->state().waiting_for == expected; }));
  test.api.overrides.clear();
  REQUIRE(test.until([&] { return test.source->state().synced; }));
  test.api.server.stop();
  REQUIRE(test.until([&] { return !test.source->state().trouble.empty(); }));
  CHECK(test.source->state().synced);
}

TEST_CASE("KubeSource: a refused kind never blocks the others", "[controller]") {
  SourceSetup test;
  test.api.put(kServices, service_json("shop", "web"));
  const FakeReply forbidden{403, {}, FakeKubeApi::status(403, "no").dump()};
  SECTION("one that can be done without") {
    test.api.overrides["/ingressclasses"] = forbidden;
    test.api.overrides["/configmaps"] = FakeReply{404, {}, "{}"};
    REQUIRE(test.start_and_sync());
    CHECK(test.source->state().trouble.starts_with("list of IngressClasses: 403 Forbidden: no"));
  }
  SECTION("one that cannot") {
    test.api.overrides["/secrets"] = forbidden;
    test.start();
    REQUIRE(test.until([&] {
      return test.source->state().waiting_for == "list of Secrets: 403 Forbidden: no";
    }));
    CHECK_FALSE(test.source->state().synced);
  }
  CHECK(test.sink.has(Kind::kService, "shop", "web"));
}

TEST_CASE(
    "KubeSource: what was refused early is asked for again before it is done without",
    "[controller]"
) {
  SourceSetup test;
  test.options.list_watch.least_delay = std::chrono::milliseconds(300);
  test.options.list_watch.refused_delay = {};
  const FakeReply forbidden{403, {}, FakeKubeApi::status(403, "no").dump()};
  test.api.overrides["/ingressclasses"] = forbidden;
  const auto asked = [&](std::string_view collection) {
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < test.api.server.requests.size(); ++i) {
      const std::string& target = test.api.server.requests[i].target;
      if (target.find(collection) != std::string::npos &&
          target.find("watch=") == std::string::npos)
        places.push_back(i);
    }
    return places;
  };
  SECTION("it is refused for good") {
    REQUIRE(test.start_and_sync());
    std::size_t last = 0;
    for (const auto* collection : {"/ingresses", "/services", "/endpointslices", "/secrets"})
      last = std::max(last, asked(collection).back());
    const auto classes = asked("/ingressclasses");
    CHECK(std::ranges::count_if(classes, [&](std::size_t place) { return place > last; }) >= 2);
  }
  SECTION("the server had not read the rights yet") {
    test.api.put(
        "/apis/networking.k8s.io/v1/ingressclasses",
        {{"metadata", {{"name", "cppx"}}}, {"spec", {{"controller", "cppx.io/ingress-controller"}}}}
    );
    test.api.overrides["/secrets"] = forbidden;
    test.start();
    REQUIRE(test.until([&] {
      return !asked("/ingressclasses").empty() && !asked("/secrets").empty();
    }));
    test.api.overrides.clear();
    REQUIRE(test.until([&] { return test.source->state().synced; }));
    CHECK(test.sink.has(Kind::kIngressClass, "", "cppx"));
  }
}

TEST_CASE("KubeSource: not all kinds are listed at the same moment", "[controller]") {
  SourceSetup test;
  test.options.list_watch.streaming_lists = true;
  test.api.ends_initial_events = false;
  test.start();
  const auto streaming = [&] { return test.api.server.held("sendInitialEvents"); };
  REQUIRE(test.until([&] { return streaming() == 3; }));
  test.io.run_for(std::chrono::milliseconds(20));
  CHECK(streaming() == 3);
  test.api.ends_initial_events = true;
  for (const char* kind : {"/ingresses", "/ingressclasses", "/services"})
    test.api.end_initial_events(kind);
  REQUIRE(test.until([&] { return test.source->state().synced; }));
}

TEST_CASE("KubeSource: namespaces are followed one by one", "[controller]") {
  KubeSourceOptions options;
  options.namespaces = {"bank", "shop"};
  SourceSetup test(options);
  test.api.put(kServices, service_json("bank", "a"));
  test.api.put(kServices, service_json("shop", "b"));
  test.api.put(kServices, service_json("other", "c"));
  REQUIRE(test.start_and_sync());
  CHECK(test.sink.count(Kind::kService) == 2);
  for (const FakeRequest& request : test.api.server.requests)
    CHECK(
        (request.target.find("/namespaces/") != std::string::npos ||
         request.target.find("/ingressclasses") != std::string::npos)
    );
}

TEST_CASE("KubeSource: ConfigMaps may come from one more namespace", "[controller]") {
  KubeSourceOptions options;
  options.namespaces = {"shop"};
  options.config_map_namespaces = {"ingress", "shop"};
  SourceSetup test(options);
  const json config_map = {{"metadata", {{"name", "settings"}, {"namespace", "ingress"}}}};
  test.api.put(kConfigMaps, config_map);
  test.api.put(kServices, service_json("ingress", "web"));
  REQUIRE(test.start_and_sync());
  CHECK(test.sink.has(Kind::kConfigMap, "ingress", "settings"));
  CHECK(test.sink.count(Kind::kService) == 0);
  CHECK(test.watches_are_open(7));
}

TEST_CASE("KubeSource: of the Secrets only TLS and wanted ones are kept", "[controller]") {
  SourceSetup test;
  test.put_secret("cert", kTls);
  test.put_secret("auth", "Opaque");
  test.put_secret("other", "Opaque");
  REQUIRE(test.start_and_sync());
  CHECK(test.has_secret("cert"));
  CHECK_FALSE(test.has_secret("auth"));
  for (const FakeRequest& request : test.api.server.requests)
    if (request.target.starts_with(kSecrets))
      CHECK(
          request.target.find("fieldSelector=type%21%3Dhelm.sh%2Frelease.v1") != std::string::npos
      );

  test.source->set_wanted(Kind::kSecret, {{"shop", "auth"}, {"shop", "missing"}});
  REQUIRE(test.until([&] { return test.has_secret("auth"); }));
  CHECK_FALSE(test.has_secret("other"));
  REQUIRE(test.watches_are_open(6));
  SECTION("one that appears later comes by the watch") {
    test.put_secret("missing", "Opaque");
    REQUIRE(test.until([&] { return test.has_secret("missing"); }));
  }
  SECTION("changes of wanted ones come, of others not") {
    test.put_secret("other", "Opaque");
    test.put_secret("auth", "Opaque");
    const std::string version = std::to_string(test.api.revision());
    REQUIRE(test.until([&] {
      return test.sink.version_of(Kind::kSecret, "shop", "auth") == version;
    }));
    CHECK_FALSE(test.has_secret("other"));
  }
  SECTION("one no longer wanted goes") {
    test.source->set_wanted(Kind::kSecret, {{"shop", "cert"}});
    CHECK_FALSE(test.has_secret("auth"));
    test.source->set_wanted(Kind::kSecret, {});
    CHECK(test.has_secret("cert"));
  }
  SECTION("a deleted one goes") {
    test.api.remove(kSecrets, "shop", "auth");
    REQUIRE(test.until([&] { return !test.has_secret("auth"); }));
  }
}

TEST_CASE("KubeSource: a wanted Secret is tried for until the server gives it", "[controller]") {
  SourceSetup test;
  test.put_secret("auth", "Opaque");
  REQUIRE(test.start_and_sync());
  REQUIRE(test.watches_are_open(6));
  test.api.overrides["/secrets/auth"] = FakeReply{503, {}, "{}"};
  test.source->set_wanted(Kind::kSecret, {{"shop", "auth"}});
  const auto gets = [&] {
    return std::count_if(
        test.api.server.requests.begin(), test.api.server.requests.end(),
        [](const FakeRequest& request) { return request.target.ends_with("/secrets/auth"); }
    );
  };
  REQUIRE(test.until([&] { return gets() >= 3; }));
  test.api.overrides.clear();
  REQUIRE(test.until([&] { return test.has_secret("auth"); }));
}

TEST_CASE("KubeSource: a Secret wanted while a list is under way is not lost", "[controller]") {
  SourceSetup test;
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g"}) test.put_secret(name, "Opaque");
  test.start();
  bool once = true;
  test.api.after_page = [&] {
    if (!once || test.api.server.requests.back().target.find("/secrets?limit=3&continue") ==
                     std::string::npos)
      return;
    once = false;
    // "a" was on the first page, and dropped.
    test.source->set_wanted(Kind::kSecret, {{"shop", "a"}});
  };
  REQUIRE(test.until([&] { return test.source->state().synced; }));
  REQUIRE(test.until([&] { return test.has_secret("a"); }));
  CHECK_FALSE(once);
  test.io.run_for(std::chrono::milliseconds(20));
  CHECK(test.has_secret("a"));
}

TEST_CASE("KubeSource: ConfigMaps are all kept until it is told which are wanted", "[controller]") {
  SourceSetup test;
  const auto config_map = [](const std::string& name) {
    return json{{"metadata", {{"name", name}, {"namespace", "shop"}}}, {"data", {{"a", "b"}}}};
  };
  test.api.put(kConfigMaps, config_map("settings"));
  test.api.put(kConfigMaps, config_map("other"));
  SECTION("never told") {
    REQUIRE(test.start_and_sync());
    CHECK(test.sink.count(Kind::kConfigMap) == 2);
    test.source->set_wanted(Kind::kConfigMap, {{"shop", "settings"}});
  }
  SECTION("told before the start") {
    test.source =
        KubeSource::create(test.io, plain_config(test.api.server.url()), test.options, test.sink)
            .value();
    test.source->set_wanted(Kind::kConfigMap, {{"shop", "settings"}});
    test.source->start();
    REQUIRE(test.until([&] { return test.source->state().synced; }));
  }
  CHECK(test.sink.count(Kind::kConfigMap) == 1);
  CHECK(test.sink.has(Kind::kConfigMap, "shop", "settings"));
}

TEST_CASE("KubeSource: nothing reaches the sink after it was stopped", "[controller]") {
  SourceSetup test;
  test.api.put(kServices, service_json("shop", "web"));
  bool synced_first = false;
  SECTION("when synced") {
    REQUIRE(test.start_and_sync());
    synced_first = true;
  }
  SECTION("at once") { test.start(); }
  test.source->stop();
  const std::size_t states = test.sink.states.size();
  const unsigned replaces = test.sink.replaces;
  REQUIRE(test.until([&] { return test.source->stopped(); }));
  test.api.put(kServices, service_json("shop", "late"));
  test.io.run_for(std::chrono::milliseconds(20));
  CHECK(test.sink.states.size() == states);
  CHECK(test.sink.replaces == replaces);
  CHECK(test.sink.has(Kind::kService, "shop", "web") == synced_first);
}

TEST_CASE("KubeSource: credentials that cannot be read are an error at once", "[controller]") {
  SourceSetup test;
  KubeConfig config = plain_config("https://127.0.0.1:1");
  config.certificate_authority = {{}, "/nonexistent/ca.crt", "CA"};
  const auto source = KubeSource::create(test.io, config, test.options, test.sink);
  REQUIRE_FALSE(source);
  CHECK(source.error().detail == "CA: /nonexistent/ca.crt: No such file or directory");
}

}  // namespace
}  // namespace cppx::controller::test
