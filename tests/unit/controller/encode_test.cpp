#include "controller/model/encode.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include "controller/model/base64.h"
#include "controller/model/decode.h"
#include "controller/model/timestamp.h"

namespace cppx::controller {
namespace {

/// Objects made at random, of everything that decode() can bring forth.
class Maker {
 public:
  explicit Maker(std::uint32_t seed) : random_(seed) {}

  bool coin() { return number(2) == 0; }
  std::uint32_t number(std::uint32_t below) { return random_() % below; }
  std::uint16_t port() { return static_cast<std::uint16_t>(1 + number(65535)); }
  std::string name() { return "n" + std::to_string(number(1000)); }
  std::string maybe_name() { return coin() ? name() : std::string(); }
  std::string text() {
    static const std::array<std::string, 5> kTexts = {
        "", "plain", "\"quoted\" \\ \n\t", "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80",
        std::string("\0x", 2)
    };
    return kTexts.at(number(kTexts.size()));
  }
  std::string bytes() {
    std::string out;
    for (std::uint32_t left = number(70); left > 0; --left)
      out.push_back(static_cast<char>(number(256)));
    return out;
  }
  StringMap map() {
    StringMap out;
    for (std::uint32_t left = number(4); left > 0; --left) out["example.test/" + name()] = text();
    return out;
  }
  template <class Make>
  auto some(Make make) {
    std::vector<decltype(make())> out;
    for (std::uint32_t left = number(4); left > 0; --left) out.push_back(make());
    return out;
  }

  ObjectMeta meta(bool namespaced) {
    ObjectMeta out;
    out.key = {namespaced ? name() : std::string(), name()};
    out.uid = maybe_name();
    out.resource_version = maybe_name();
    out.generation = number(5);
    if (coin()) out.creation_timestamp = std::chrono::sys_seconds(std::chrono::seconds(random_()));
    out.deleting = coin();
    out.labels = map();
    out.annotations = map();
    return out;
  }
  PortRef port_ref() {
    if (coin()) return port();
    return name();
  }
  IngressBackend backend() {
    IngressBackend out;
    out.has_resource = number(4) == 0;
    if (out.has_resource) return out;
    out.service = name();
    out.port = port_ref();
    return out;
  }
  Object ingress() {
    static constexpr std::array kTypes = {
        routing::PathType::kExact, routing::PathType::kPrefix,
        routing::PathType::kImplementationSpecific
    };
    Ingress out;
    out.meta = meta(true);
    if (coin()) out.ingress_class_name = text();
    if (coin()) out.default_backend = backend();
    out.rules = some([&] {
      return IngressRule{maybe_name(), some([&] {
                           return IngressPath{text(), kTypes.at(number(3)), backend()};
                         })};
    });
    out.tls = some([&] { return IngressTls{some([&] { return text(); }), maybe_name()}; });
    return out;
  }
  Object ingress_class() {
    IngressClass out;
    out.meta = meta(false);
    out.controller = text();
    out.is_default = coin();
    if (out.is_default)
      out.meta.annotations["ingressclass.kubernetes.io/is-default-class"] = "true";
    return out;
  }
  Object service() {
    Service out;
    out.meta = meta(true);
    if (coin()) out.type = "ExternalName";
    out.cluster_ip = maybe_name();
    out.external_name = maybe_name();
    out.has_selector = coin();
    out.ports = some([&] {
      return ServicePort{maybe_name(), port(), port_ref(), coin() ? "TCP" : "UDP", maybe_name()};
    });
    return out;
  }
  Object slice() {
    static constexpr std::array kTypes = {
        AddressType::kIPv4, AddressType::kIPv6, AddressType::kFqdn
    };
    EndpointSlice out;
    out.meta = meta(true);
    out.service = maybe_name();
    if (!out.service.empty()) out.meta.labels["kubernetes.io/service-name"] = out.service;
    out.address_type = kTypes.at(number(3));
    out.endpoints = some([&] {
      SliceEndpoint endpoint;
      endpoint.addresses = some([&] { return name(); });
      endpoint.ready = coin();
      endpoint.serving = coin();
      endpoint.terminating = coin();
      endpoint.node_name = maybe_name();
      endpoint.zone = maybe_name();
      return endpoint;
    });
    out.ports = some([&] {
      return SlicePort{maybe_name(), coin() ? port() : std::uint16_t{0}, coin() ? "TCP" : "SCTP"};
    });
    return out;
  }
  Object secret() {
    Secret out;
    out.meta = meta(true);
    out.type = coin() ? "kubernetes.io/tls" : "Opaque";
    for (std::uint32_t left = number(4); left > 0; --left) out.data[name()] = bytes();
    return out;
  }
  Object config_map() {
    ConfigMap out;
    out.meta = meta(true);
    out.data = map();
    return out;
  }
  Object space() { return Namespace{meta(false)}; }

 private:
  std::minstd_rand random_;
};

void check_round_trip(const Object& object) {
  const auto encoded = encode(object);
  // By way of text, as it goes through a file.
  const auto decoded = decode(nlohmann::json::parse(encoded.dump()));
  CAPTURE(encoded.dump());
  REQUIRE(decoded.has_value());
  REQUIRE(decoded->size() == 1);
  CHECK(decoded->front() == object);
}

}  // namespace

TEST_CASE("encode: decode gives the same object again, whatever the kind", "[controller]") {
  for (std::uint32_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    Maker make(seed);
    const std::vector<Object> objects = {
        make.ingress(), make.ingress_class(), make.service(), make.slice(),
        make.secret(),  make.config_map(),    make.space(),
    };
    REQUIRE(objects.size() == kKindCount);
    for (const Object& object : objects) check_round_trip(object);
  }
}

TEST_CASE("encode: a slice made of Endpoints has no form of its own", "[controller]") {
  EndpointSlice slice;
  slice.meta.key = {"shop", "web/0"};
  slice.from_endpoints = true;
  CHECK(encode(slice).is_null());
}

TEST_CASE("encode_base64: what decode_base64 reads, with padding", "[controller]") {
  struct Case {
    std::string bytes;
    std::string text;
  };
  // RFC 4648 section 10.
  const std::vector<Case> cases = {
      {"", ""},
      {"f", "Zg=="},
      {"fo", "Zm8="},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="},
      {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"},
      {"\xFF\xFE\xFD", "//79"}
  };
  for (const Case& each : cases) {
    CHECK(encode_base64(each.bytes) == each.text);
    CHECK(decode_base64(each.text) == each.bytes);
  }
}

TEST_CASE("format_timestamp: what parse_timestamp reads", "[controller]") {
  for (const char* text : {"1970-01-01T00:00:00Z", "2026-11-26T08:40:59Z", "2000-02-29T23:00:01Z"})
    CHECK(format_timestamp(parse_timestamp(text).value()) == text);
}

}  // namespace cppx::controller
