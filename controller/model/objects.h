#pragma once
// The Kubernetes objects cppx reads, as plain values that hold only the fields it uses. Made by
// decode.h from JSON (API server, manifests as JSON or as YAML turned into JSON): one door.

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "routing/match/route.h"

namespace cppx::controller {

enum class Kind : std::uint8_t {
  kIngress,
  kIngressClass,
  kService,
  kEndpointSlice,  ///< Legacy Endpoints are decoded into this kind too.
  kSecret,
  kConfigMap,
  kNamespace,
};
inline constexpr std::size_t kKindCount = 7;

std::string_view to_string(Kind kind) noexcept;  ///< "Ingress"

/// Namespace and name; the namespace is empty for cluster-scoped kinds.
struct ObjectKey {
  std::string ns;
  std::string name;
  auto operator<=>(const ObjectKey&) const = default;
  [[nodiscard]] std::string to_string() const;  ///< "ns/name", or "name"
};

using StringMap = std::map<std::string, std::string, std::less<>>;

struct ObjectMeta {
  ObjectKey key;
  std::string uid;
  std::string resource_version;
  std::int64_t generation = 0;
  std::chrono::sys_seconds creation_timestamp{};  ///< Epoch when absent (manifests): oldest.
  bool deleting = false;                          ///< deletionTimestamp is set.
  StringMap labels;
  StringMap annotations;
  bool operator==(const ObjectMeta&) const = default;
};

/// `port.number` or `port.name` of a backend; and a Service's targetPort.
using PortRef = std::variant<std::uint16_t, std::string>;

struct IngressBackend {
  std::string service;  ///< Empty when `has_resource`.
  PortRef port = std::uint16_t{0};
  bool has_resource = false;  ///< backend.resource: served as 404.
  bool operator==(const IngressBackend&) const = default;
};

struct IngressPath {
  std::string path;  ///< Empty: "/".
  routing::PathType path_type = routing::PathType::kImplementationSpecific;
  IngressBackend backend;
  bool operator==(const IngressPath&) const = default;
};

struct IngressRule {
  std::string host;                ///< Empty: all hosts.
  std::vector<IngressPath> paths;  ///< Empty when the rule has no `http`.
  bool operator==(const IngressRule&) const = default;
};

struct IngressTls {
  std::vector<std::string> hosts;
  std::string secret_name;
  bool operator==(const IngressTls&) const = default;
};

/// One of status.loadBalancer.ingress: an address or a name.
struct LoadBalancerAddress {
  std::string ip;
  std::string hostname;
  auto operator<=>(const LoadBalancerAddress&) const = default;
};

struct Ingress {
  ObjectMeta meta;
  std::optional<std::string> ingress_class_name;
  std::optional<IngressBackend> default_backend;
  std::vector<IngressRule> rules;
  std::vector<IngressTls> tls;
  /// Its status as it was when the rest last changed: what a Store compares leaves it out.
  std::vector<LoadBalancerAddress> load_balancer;
  bool operator==(const Ingress&) const = default;
};

struct IngressClass {
  ObjectMeta meta;
  std::string controller;
  bool is_default = false;  ///< annotation ingressclass.kubernetes.io/is-default-class
  bool operator==(const IngressClass&) const = default;
};

struct ServicePort {
  std::string name;
  std::uint16_t port = 0;
  PortRef target_port = std::uint16_t{0};
  std::string protocol = "TCP";
  std::string app_protocol;
  bool operator==(const ServicePort&) const = default;
};

struct Service {
  ObjectMeta meta;
  std::string type = "ClusterIP";
  std::string cluster_ip;
  std::string external_name;
  bool has_selector = false;
  std::vector<ServicePort> ports;
  bool operator==(const Service&) const = default;
};

struct SliceEndpoint {
  std::vector<std::string> addresses;
  bool ready = true;    ///< Absent in the object: true.
  bool serving = true;  ///< Absent: the value of ready.
  bool terminating = false;
  std::string node_name;
  std::string zone;
  bool operator==(const SliceEndpoint&) const = default;
};

struct SlicePort {
  std::string name;  ///< Name of the Service port, may be empty.
  std::uint16_t port = 0;
  std::string protocol = "TCP";
  bool operator==(const SlicePort&) const = default;
};

enum class AddressType : std::uint8_t { kIPv4, kIPv6, kFqdn };

struct EndpointSlice {
  ObjectMeta meta;
  std::string service;  ///< label kubernetes.io/service-name, or the name of an Endpoints object
  AddressType address_type = AddressType::kIPv4;
  std::vector<SliceEndpoint> endpoints;
  std::vector<SlicePort> ports;
  bool from_endpoints =
      false;  ///< Made of a legacy Endpoints object: used only when no slice names the Service.
  bool operator==(const EndpointSlice&) const = default;
};

/// Data values are decoded from base64.
struct Secret {
  ObjectMeta meta;
  std::string type;
  StringMap data;
  bool operator==(const Secret&) const = default;
};

struct ConfigMap {
  ObjectMeta meta;
  StringMap data;
  bool operator==(const ConfigMap&) const = default;
};

struct Namespace {
  ObjectMeta meta;
  bool operator==(const Namespace&) const = default;
};

using Object =
    std::variant<Ingress, IngressClass, Service, EndpointSlice, Secret, ConfigMap, Namespace>;

/// Kind of each alternative of Object.
template <class T>
inline constexpr Kind kKindOf = Kind{};
template <>
inline constexpr Kind kKindOf<Ingress> = Kind::kIngress;
template <>
inline constexpr Kind kKindOf<IngressClass> = Kind::kIngressClass;
template <>
inline constexpr Kind kKindOf<Service> = Kind::kService;
template <>
inline constexpr Kind kKindOf<EndpointSlice> = Kind::kEndpointSlice;
template <>
inline constexpr Kind kKindOf<Secret> = Kind::kSecret;
template <>
inline constexpr Kind kKindOf<ConfigMap> = Kind::kConfigMap;
template <>
inline constexpr Kind kKindOf<Namespace> = Kind::kNamespace;

const ObjectMeta& meta_of(const Object& object);
Kind kind_of(const Object& object) noexcept;

}  // namespace cppx::controller
