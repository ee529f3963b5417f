// A text of manifests in YAML. Whatever stands in it: the same objects in another order, or bit by
// bit, give the same snapshot, and an Ingress that nothing in it touches is served.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include "controller/cache/store.h"
#include "controller/file/document.h"
#include "controller/file/manifest_file.h"
#include "controller/model/decode.h"
#include "controller/model/encode.h"
#include "controller/translate/translate.h"
#include "routing/dump.h"
#include "tests/fuzz/require.h"
#include "tls/self_signed.h"

namespace {

using namespace cppx::controller;
using cppx::test::require;

/// In a namespace and with a host of its own.
constexpr std::string_view kUntouched = R"(
{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: cppx},
 spec: {controller: cppx.io/ingress-controller}}
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: apart}, spec: {ports: [{port: 80}]}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
 metadata: {name: web-1, namespace: apart, labels: {kubernetes.io/service-name: web}},
 ports: [{port: 8080}], endpoints: [{addresses: [192.0.2.1]}]}
---
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web, namespace: apart},
 spec: {ingressClassName: cppx, rules: [{host: untouched.apart.test, http: {paths: [
 {path: /only, pathType: Exact, backend: {service: {name: web, port: {number: 80}}}}]}}]}}
)";

void require_line(const std::string& text, const std::string& what) {
  require(!text.empty() && text.find('\n') == std::string::npos, what + ", in one line");
}

std::vector<Object> objects_of(std::string_view text) {
  std::vector<Object> out;
  for (const Document& document : parse_yaml(text)) {
    if (!document.json) {
      require_line(document.error, "says why a document is not read");
      continue;
    }
    auto decoded = decode(*document.json);
    if (!decoded) {
      require_line(decoded.error().detail, "says why an object is not read");
      continue;
    }
    for (Object& object : *decoded) out.push_back(std::move(object));
  }
  return out;
}

const ObjectKey& key_of(const Object& object) {
  return std::visit([](const auto& one) -> const ObjectKey& { return one.meta.key; }, object);
}

/// The first one of each kind and name.
std::vector<Object> distinct(std::vector<Object> objects) {
  std::vector<Object> out;
  std::set<std::pair<std::size_t, ObjectKey>> seen;
  for (Object& object : objects)
    if (seen.emplace(object.index(), key_of(object)).second) out.push_back(std::move(object));
  return out;
}

class Follower {
 public:
  void apply(const Object& object) { store_.apply(object); }

  Translation translate() {
    static const auto certificate = cppx::tls::make_default_certificate().value();
    return translator_.translate({
        .store = store_,
        .names = {},
        .now = std::chrono::sys_days(std::chrono::year(2026) / 11 / 24),
        .self_made_certificate = certificate,
    });
  }

 private:
  Store store_;
  Translator translator_{TranslateOptions{}};
};

void require_equal(const Translation& one, const Translation& other, const std::string& what) {
  require(cppx::routing::dump(*one.snapshot) == cppx::routing::dump(*other.snapshot), what);
  require(*one.diagnostics == *other.diagnostics, what + ": diagnostics");
  require(*one.secrets_in_use == *other.secrets_in_use, what + ": Secrets");
  require(*one.external_names == *other.external_names, what + ": names");
}

void require_served(const Translation& translation) {
  const auto& snapshot = *translation.snapshot;
  const auto* http = snapshot.find_listener(cppx::routing::kHttpListener);
  require(http != nullptr, "there is a listener");
  const auto match = http->routes->match("untouched.apart.test", "/only");
  require(match.route != nullptr, "what nothing touches has its route");
  require(match.route->pool < snapshot.pools.size(), "what nothing touches has its pool");
  const auto& pool = *snapshot.pools[match.route->pool];
  require(pool.endpoints.size() == 1, "what nothing touches has its endpoint");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 16384) return 0;
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  std::vector<Object> objects = objects_of(kUntouched);
  for (Object& object : objects_of(text)) {
    const auto json = encode(object);
    if (!json.is_null()) {
      const auto again = decode(json);
      require(again.has_value() && again->size() == 1, "what is encoded can be decoded");
      require(again->front() == object, "what is encoded and decoded is the same");
    }
    objects.push_back(std::move(object));
  }
  objects = distinct(std::move(objects));

  Follower forward;
  Follower backward;
  Follower by_halves;
  for (const Object& object : objects) forward.apply(object);
  for (auto it = objects.rbegin(); it != objects.rend(); ++it) backward.apply(*it);
  for (std::size_t i = 0; i < objects.size(); ++i) {
    by_halves.apply(objects[(i + objects.size() / 2) % objects.size()]);
    if (i == objects.size() / 2) by_halves.translate();
  }
  const Translation translation = forward.translate();
  for (const Diagnostic& diagnostic : *translation.diagnostics)
    require_line(diagnostic.to_string(), "says what could not be honoured");
  require_equal(translation, backward.translate(), "the same in another order");
  require_equal(translation, by_halves.translate(), "the same in two steps");
  if (text.find("apart") == std::string_view::npos) require_served(translation);
  return 0;
}
