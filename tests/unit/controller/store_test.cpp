#include "controller/cache/store.h"

#include <catch2/catch_test_macros.hpp>

namespace cppx::controller {
namespace {

Service service(std::string ns, std::string name, std::string version, std::uint16_t port = 80) {
  Service out;
  out.meta.key = {std::move(ns), std::move(name)};
  out.meta.resource_version = std::move(version);
  out.ports.push_back({.name = {}, .port = port, .target_port = port, .app_protocol = {}});
  return out;
}

}  // namespace

TEST_CASE("Store: adds, replaces, removes", "[controller]") {
  Store store;
  CHECK(store.apply(service("a", "web", "1")));
  CHECK(store.apply(service("a", "web", "2", 81)));
  REQUIRE(store.services().size() == 1);
  CHECK(store.services().at({"a", "web"})->ports[0].port == 81);
  CHECK(store.remove(Kind::kService, {"a", "web"}));
  CHECK_FALSE(store.remove(Kind::kService, {"a", "web"}));
  CHECK_FALSE(store.remove(Kind::kIngress, {"a", "web"}));
  CHECK(store.services().empty());
}

TEST_CASE("Store: an object that reads the same is no change", "[controller]") {
  Store store;
  store.apply(service("a", "web", "1"));
  const auto before = store.services().at({"a", "web"});
  CHECK_FALSE(store.apply(service("a", "web", "1")));
  CHECK_FALSE(store.apply(service("a", "web", "2")));
  CHECK(store.services().at({"a", "web"}) == before);
  CHECK(store.apply(service("a", "web", "3", 81)));
}

TEST_CASE("Store: the status of an Ingress alone is no change", "[controller]") {
  Store store;
  Ingress ingress;
  ingress.meta.key = {"a", "web"};
  ingress.meta.resource_version = "1";
  store.apply(ingress);
  const auto before = store.ingresses().at({"a", "web"});
  ingress.load_balancer.push_back({.ip = "192.0.2.1", .hostname = {}});
  ingress.meta.resource_version = "2";
  CHECK_FALSE(store.apply(ingress));
  CHECK_FALSE(store.replace(Kind::kIngress, "", {ingress}));
  CHECK(store.ingresses().at({"a", "web"}) == before);
  ingress.ingress_class_name = "cppx";
  CHECK(store.apply(ingress));
  CHECK(store.ingresses().at({"a", "web"})->load_balancer == ingress.load_balancer);
}

TEST_CASE("Store: a list replaces its namespace, or all of the kind", "[controller]") {
  Store store;
  store.apply(service("a", "one", "1"));
  store.apply(service("a", "two", "1"));
  store.apply(service("b", "three", "1"));
  ConfigMap config_map;
  config_map.meta.key = {"a", "one"};
  store.apply(config_map);
  CHECK(store.replace(Kind::kService, "a", {service("a", "two", "2"), service("a", "four", "1")}));
  CHECK(store.services().contains({"a", "two"}));
  CHECK(store.services().contains({"a", "four"}));
  CHECK(store.services().contains({"b", "three"}));
  CHECK_FALSE(store.services().contains({"a", "one"}));
  CHECK(store.config_maps().size() == 1);
  CHECK_FALSE(
      store.replace(Kind::kService, "a", {service("a", "two", "3"), service("a", "four", "3")})
  );
  CHECK(store.replace(Kind::kService, "", {}));
  CHECK(store.services().empty());
}

TEST_CASE("Store: what was taken from it outlives a change", "[controller]") {
  Store store;
  store.apply(service("a", "web", "1"));
  const auto held = store.services().at({"a", "web"});
  store.remove(Kind::kService, {"a", "web"});
  CHECK(held->ports[0].port == 80);
}

}  // namespace cppx::controller
