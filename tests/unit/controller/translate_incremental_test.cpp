// What a Translator that follows a store by its changes makes of it is what a new one makes of the
// same objects, whatever happened on the way.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "controller/cache/store.h"
#include "controller/model/objects.h"
#include "controller/translate/resolved_names.h"
#include "controller/translate/translate.h"
#include "routing/endpoint/pool_table.h"
#include "routing/match/route.h"
#include "tests/unit/controller/translate_support.h"
#include "tls/self_signed.h"

namespace cppx::controller {
namespace {

constexpr std::array kHosts{"a.test", "b.test",     "x.a.test", "*.a.test", "*.test",
                            "",       "not a host", "A.test",   "c.test"};
constexpr std::array kPaths{"/", "/one", "/one/two", "/two", "", "no-slash", "/one$"};
constexpr std::size_t kServices = 6;
constexpr std::size_t kIngresses = 9;
constexpr std::size_t kSecrets = 4;

/// Certificates are slow to make: one for each name, kept.
const tls::PemPair& pem_of(std::size_t i) {
  static const auto kPairs = [] {
    std::vector<tls::PemPair> out;
    for (const std::vector<std::string>& names :
         {std::vector<std::string>{"a.test"}, {"*.test", "b.test"}, {"*.a.test"}, {"b.test"}}) {
      auto made = tls::make_self_signed_pem({.common_name = names.front(), .dns_names = names});
      REQUIRE(made.has_value());
      out.push_back(*std::move(made));
    }
    return out;
  }();
  return kPairs[i % kPairs.size()];
}

/// Objects of a small world, so that they meet each other.
class World {
 public:
  explicit World(std::uint32_t seed) : random_(seed) {}

  std::size_t below(std::size_t end) { return random_() % end; }
  bool one_in(std::size_t n) { return below(n) == 0; }

  Ingress ingress() {
    Ingress out;
    out.meta = meta(fmt::format("i{}", below(kIngresses)));
    out.meta.creation_timestamp = std::chrono::sys_seconds(std::chrono::seconds(below(3)));
    if (!one_in(6)) out.ingress_class_name = one_in(6) ? "other" : "cppx";
    if (one_in(4)) out.default_backend = backend();
    const std::size_t rules = below(4);
    for (std::size_t i = 0; i < rules; ++i) out.rules.push_back(rule());
    for (std::size_t i = below(3); i > 0; --i) out.tls.push_back(tls_entry());
    annotate(out);
    return out;
  }

  Service service() {
    Service out;
    out.meta = meta(fmt::format("s{}", below(kServices)));
    out.meta.uid = fmt::format("uid-{}", below(2));
    if (one_in(5)) {
      out.type = "ExternalName";
      out.external_name = fmt::format("name-{}.test", below(3));
    }
    ServicePort port;
    port.port = one_in(5) ? 81 : 80;
    port.name = one_in(3) ? "http" : "";
    port.target_port = std::uint16_t{8080};
    if (one_in(6)) port.target_port = "http";
    if (one_in(4)) port.app_protocol = "kubernetes.io/h2c";
    out.ports.push_back(std::move(port));
    if (one_in(8)) out.ports.clear();
    return out;
  }

  EndpointSlice slice() {
    EndpointSlice out;
    out.meta = meta(fmt::format("e{}", below(2 * kServices)));
    out.service = one_in(8) ? "" : fmt::format("s{}", below(kServices));
    out.from_endpoints = one_in(5);
    for (std::size_t i = below(3); i > 0; --i) {
      SliceEndpoint endpoint;
      endpoint.addresses = {one_in(9) ? "nowhere" : fmt::format("10.0.0.{}", 1 + below(9))};
      endpoint.ready = !one_in(4);
      out.endpoints.push_back(std::move(endpoint));
    }
    SlicePort port;
    port.name = one_in(3) ? "http" : "";
    port.port = one_in(4) ? 8081 : 8080;
    out.ports.push_back(std::move(port));
    return out;
  }

  Secret secret() {
    Secret out;
    out.meta = meta(fmt::format("t{}", below(kSecrets)));
    out.type = one_in(5) ? "Opaque" : "kubernetes.io/tls";
    const tls::PemPair& pem = pem_of(below(4));
    out.data = {{"tls.crt", pem.certificate}, {"tls.key", one_in(5) ? "broken" : pem.key}};
    return out;
  }

  IngressClass ingress_class() {
    IngressClass out;
    out.meta.key.name = "cppx";
    out.controller = one_in(3) ? "someone/else" : "cppx.io/ingress-controller";
    out.is_default = one_in(2);
    return out;
  }

  ConfigMap config_map() {
    ConfigMap out;
    out.meta = meta(one_in(3) ? "unused" : "settings");
    out.data = {
        {"ssl-redirect", one_in(2) ? "true" : "false"},
        {"hsts", one_in(2) ? "true" : "false"},
        {"proxy-read-timeout", fmt::format("{}", 10 + below(2))},
    };
    return out;
  }

  Object object() {
    switch (below(16)) {
      case 0:
        return config_map();
      case 1:
        return ingress_class();
      case 2:
      case 3:
        return secret();
      case 4:
      case 5:
      case 6:
        return service();
      case 7:
      case 8:
      case 9:
        return slice();
      default:
        return ingress();
    }
  }

  ResolvedNames names() {
    ResolvedNames out;
    for (std::size_t i = 0; i < 3; ++i)
      if (!one_in(3)) {
        auto& addresses = out[fmt::format("name-{}.test", i)];
        if (!one_in(3)) addresses.push_back(fmt::format("192.0.2.{}", 1 + below(3)));
      }
    return out;
  }

 private:
  static ObjectMeta meta(std::string name) {
    ObjectMeta out;
    out.key = {.ns = "default", .name = std::move(name)};
    return out;
  }

  IngressBackend backend() {
    IngressBackend out;
    out.has_resource = one_in(9);
    if (out.has_resource) return out;
    out.service = fmt::format("s{}", below(kServices + 1));
    if (one_in(3))
      out.port = "http";
    else
      out.port = std::uint16_t{80};
    return out;
  }

  IngressRule rule() {
    IngressRule out;
    out.host = kHosts[below(kHosts.size())];
    for (std::size_t i = below(3); i > 0; --i) {
      IngressPath path;
      path.path = kPaths[below(kPaths.size())];
      path.path_type = static_cast<routing::PathType>(below(3));
      path.backend = backend();
      out.paths.push_back(std::move(path));
    }
    return out;
  }

  IngressTls tls_entry() {
    IngressTls out;
    for (std::size_t i = below(3); i > 0; --i) out.hosts.emplace_back(kHosts[below(kHosts.size())]);
    if (!one_in(5)) out.secret_name = fmt::format("t{}", below(kSecrets + 1));
    return out;
  }

  void annotate(Ingress& ingress) {
    const auto set = [&](const char* name, const char* value) {
      ingress.meta.annotations[fmt::format("nginx.ingress.kubernetes.io/{}", name)] = value;
    };
    if (one_in(4)) set("backend-protocol", one_in(2) ? "GRPC" : "HTTPS");
    if (one_in(4)) set("affinity", "cookie");
    if (one_in(4)) set("upstream-hash-by", "$request_uri");
    if (one_in(4)) set("ssl-redirect", "false");
    if (one_in(6)) set("limit-rps", "5");
    if (one_in(6)) set("proxy-read-timeout", one_in(2) ? "7" : "never");
    if (one_in(6)) set("enable-access-log", "false");
  }

  std::mt19937 random_;
};

TranslateOptions options_of(World& world) {
  TranslateOptions options;
  options.config_map = ObjectKey{"default", "settings"};
  if (world.one_in(2)) options.default_ssl_certificate = ObjectKey{"default", "t0"};
  if (world.one_in(2)) options.default_backend_service = ObjectKey{"default", "s0"};
  options.disable_catch_all = world.one_in(4);
  options.disable_svc_external_name = world.one_in(4);
  options.classes.watch_ingress_without_class = world.one_in(2);
  return options;
}

TranslateInput input_of(
    const Store& store, const ResolvedNames& names, std::chrono::system_clock::time_point now
) {
  return {
      .store = store,
      .names = names,
      .now = now,
      .self_made_certificate = test::self_made_certificate(),
  };
}

void change(Store& store, World& world) {
  const Object object = world.object();
  if (world.one_in(3))
    store.remove(kind_of(object), meta_of(object).key);
  else
    store.apply(object);
}

/// The same objects, in another order.
Store shuffled(const Store& store, std::uint32_t seed) {
  std::vector<Object> objects;
  const auto add = [&](const auto& map) {
    for (const auto& [key, object] : map) objects.emplace_back(*object);
  };
  add(store.ingresses());
  add(store.ingress_classes());
  add(store.services());
  add(store.endpoint_slices());
  add(store.secrets());
  add(store.config_maps());
  std::ranges::shuffle(objects, std::mt19937(seed));
  Store out;
  for (Object& object : objects) out.apply(std::move(object));
  return out;
}

/// Of a host and a Service of its own.
Ingress numbered_ingress(std::size_t i) {
  Ingress ingress;
  ingress.meta.key = {.ns = "default", .name = fmt::format("i{:03}", i)};
  ingress.ingress_class_name = "cppx";
  IngressPath path;
  path.backend.service = fmt::format("s{:03}", i);
  path.backend.port = std::uint16_t{80};
  ingress.rules.push_back({.host = fmt::format("h{:03}.test", i), .paths = {path}});
  return ingress;
}

Store store_of_many(std::size_t ingresses) {
  Store store;
  IngressClass ours;
  ours.meta.key.name = "cppx";
  ours.controller = "cppx.io/ingress-controller";
  store.apply(ours);
  for (std::size_t i = 0; i < ingresses; ++i) store.apply(numbered_ingress(i));
  return store;
}

/// Of the Service of numbered_ingress.
EndpointSlice numbered_slice(std::size_t i, std::string address) {
  EndpointSlice slice;
  slice.meta.key = {.ns = "default", .name = fmt::format("e{:03}", i)};
  slice.service = fmt::format("s{:03}", i);
  SliceEndpoint endpoint;
  endpoint.addresses = {std::move(address)};
  slice.endpoints.push_back(std::move(endpoint));
  SlicePort port;
  port.port = 8080;
  slice.ports.push_back(std::move(port));
  return slice;
}

/// Places that are the same object in both, not only equal.
std::size_t shared_places(const routing::PoolTable& a, const routing::PoolTable& b) {
  std::size_t out = 0;
  for (routing::PoolIndex i = 0; i < a.size() && i < b.size(); ++i) out += &a[i] == &b[i] ? 1U : 0U;
  return out;
}

}  // namespace

TEST_CASE("Translator: changes come to what a new one makes of the result", "[controller]") {
  const auto seed = GENERATE(range(std::uint32_t{1}, std::uint32_t{41}));
  CAPTURE(seed);
  World world(seed);
  const TranslateOptions options = options_of(world);
  const auto now = std::chrono::system_clock::now();
  Translator following(options);
  Store store;
  ResolvedNames names;
  for (int step = 0; step < 60; ++step) {
    CAPTURE(step);
    for (std::size_t i = world.one_in(20) ? 30 : 1 + world.below(2); i > 0; --i)
      change(store, world);
    if (world.one_in(5)) names = world.names();
    // Two years on everything has expired; and once in a while the clock goes back.
    const auto then = world.one_in(9) ? now + std::chrono::hours(24 * 730) : now;
    const std::string followed = test::show(following.translate(input_of(store, names, then)));
    const Store other = shuffled(store, seed);
    Translator fresh(options);
    REQUIRE(followed == test::show(fresh.translate(input_of(other, names, then))));
  }
}

TEST_CASE("Translator: what a change does not touch stays the same object", "[controller]") {
  World world(7);
  Store store;
  for (int i = 0; i < 300; ++i) change(store, world);
  Translator translator({});
  const auto now = std::chrono::system_clock::now();
  const auto before = translator.translate(input_of(store, {}, now));

  SECTION("nothing changed") {
    const auto after = translator.translate(input_of(store, {}, now));
    CHECK(after.snapshot->pools == before.snapshot->pools);
    CHECK(after.snapshot->listeners[0].routes == before.snapshot->listeners[0].routes);
    CHECK(after.snapshot->listeners[1].certificates == before.snapshot->listeners[1].certificates);
    CHECK(after.diagnostics == before.diagnostics);
    CHECK(after.external_names == before.external_names);
    CHECK(after.secrets_in_use == before.secrets_in_use);
  }
  SECTION("one host more") {
    Ingress ingress;
    ingress.meta.key = {.ns = "default", .name = "new"};
    ingress.ingress_class_name = "cppx";
    ingress.rules.push_back({.host = "new.example", .paths = {}});
    IngressClass ours;
    ours.meta.key.name = "cppx";
    ours.controller = "cppx.io/ingress-controller";
    store.apply(ours);
    const auto with_class = translator.translate(input_of(store, {}, now));
    store.apply(ingress);
    const auto after = translator.translate(input_of(store, {}, now));
    const auto& old_hosts = with_class.snapshot->listeners[0].routes->hosts();
    const auto& hosts = after.snapshot->listeners[0].routes->hosts();
    REQUIRE(hosts.size() == old_hosts.size() + 1);
    for (const auto& host : old_hosts) CHECK(std::ranges::find(hosts, host) != hosts.end());
    CHECK(after.snapshot->pools == with_class.snapshot->pools);
    CHECK(
        after.snapshot->listeners[1].certificates == with_class.snapshot->listeners[1].certificates
    );
  }
}

TEST_CASE(
    "Translator: places of pools that are gone are taken again, or given up", "[controller]"
) {
  constexpr std::size_t kMany = 200;
  Store store = store_of_many(kMany);
  const auto now = std::chrono::system_clock::now();
  Translator translator({});
  CHECK(translator.translate(input_of(store, {}, now)).snapshot->pools.size() == kMany);

  store.remove(Kind::kIngress, {"default", "i007"});
  store.apply(numbered_ingress(kMany));
  CHECK(translator.translate(input_of(store, {}, now)).snapshot->pools.size() == kMany);

  for (std::size_t i = 20; i <= kMany; ++i)
    store.remove(Kind::kIngress, {"default", fmt::format("i{:03}", i)});
  const auto few = translator.translate(input_of(store, {}, now));
  CHECK(few.snapshot->pools.size() == 19);
  Translator fresh({});
  CHECK(test::show(few) == test::show(fresh.translate(input_of(store, {}, now))));
}

TEST_CASE("Translator: a change of endpoints leaves the other parts of pools", "[controller]") {
  constexpr std::size_t kMany = 640;
  Store store = store_of_many(kMany);
  for (std::size_t i = 0; i < kMany; ++i) {
    Service service;
    service.meta.key = {.ns = "default", .name = fmt::format("s{:03}", i)};
    ServicePort port;
    port.port = 80;
    port.target_port = std::uint16_t{8080};
    service.ports.push_back(std::move(port));
    store.apply(service);
    store.apply(numbered_slice(i, "10.0.0.1"));
  }
  Translator translator({});
  const auto now = std::chrono::system_clock::now();
  const auto translated = [&] { return translator.translate(input_of(store, {}, now)).snapshot; };
  const auto before = translated();
  REQUIRE(before->pools.size() == kMany);
  CHECK(shared_places(before->pools, translated()->pools) == kMany);

  store.apply(numbered_slice(300, "10.0.0.2"));
  const auto after = translated();
  CHECK(after->pools[300] != before->pools[300]);
  CHECK(after->pools[300]->endpoints.front().to_string() == "10.0.0.2:8080");
  CHECK(before->pools[300]->endpoints.front().to_string() == "10.0.0.1:8080");
  CHECK(shared_places(before->pools, after->pools) == kMany - 64);
  for (routing::PoolIndex i = 0; i < kMany; ++i)
    if (i != 300) REQUIRE(after->pools[i] == before->pools[i]);

  store.remove(Kind::kIngress, {"default", "i010"});
  const auto fewer = translated();
  CHECK(shared_places(after->pools, fewer->pools) == kMany - 64);
  store.apply(numbered_ingress(kMany));
  const auto others = translated();
  CHECK(others->pools.size() == kMany);
  CHECK(others->pools[10]->name == "default/s640:80");
  CHECK(shared_places(fewer->pools, others->pools) == kMany - 64);

  // All is looked at, and nothing is another.
  IngressClass one_more;
  one_more.meta.key.name = "more";
  store.apply(one_more);
  CHECK(shared_places(others->pools, translated()->pools) == kMany);
}

TEST_CASE("Store: what changed since a position", "[controller]") {
  World world(3);
  Store store;
  const auto start = store.position();
  CHECK(store.changes_since(start)->empty());
  Service service = world.service();
  service.meta.key.name = "s";
  store.apply(service);
  store.apply(service);  // the same: no change
  const auto one = store.changes_since(start);
  REQUIRE(one->size() == 1);
  CHECK(one->front().kind == Kind::kService);
  CHECK(one->front().key == service.meta.key);

  SECTION("a list counts what differs") {
    const auto then = store.position();
    Service other = service;
    other.meta.key.name = "other";
    store.replace(Kind::kService, "", {Object(service), Object(other)});
    REQUIRE(store.changes_since(then)->size() == 1);
    store.replace(Kind::kService, "", {});
    CHECK(store.changes_since(then)->size() == 3);
  }
  SECTION("too long ago, or of another store") {
    for (std::size_t i = 0; i < Store::kChangesKept; ++i) {
      service.cluster_ip = fmt::format("{}", i);
      store.apply(service);
    }
    CHECK_FALSE(store.changes_since(start).has_value());
    CHECK(store.changes_since(store.position())->empty());
    const Store copy = store;
    CHECK_FALSE(copy.changes_since(store.position()).has_value());
  }
}

}  // namespace cppx::controller
