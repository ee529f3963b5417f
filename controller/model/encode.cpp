#include "controller/model/encode.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <nlohmann/json.hpp>

#include "controller/model/base64.h"
#include "controller/model/objects.h"
#include "controller/model/timestamp.h"
#include "routing/match/route.h"

namespace cppx::controller {
namespace {

using nlohmann::json;

// What is empty is left out, as the API server does: decode() reads both as the same.
void put_text(json& to, const char* key, std::string_view text) {
  if (!text.empty()) to[key] = text;
}

void put(json& to, const char* key, json value) {
  if (!value.empty()) to[key] = std::move(value);
}

json encode_meta(const ObjectMeta& meta) {
  json out = {{"name", meta.key.name}};
  put_text(out, "namespace", meta.key.ns);
  put_text(out, "uid", meta.uid);
  put_text(out, "resourceVersion", meta.resource_version);
  if (meta.generation != 0) out["generation"] = meta.generation;
  const std::string created = format_timestamp(meta.creation_timestamp);
  if (meta.creation_timestamp != std::chrono::sys_seconds{}) out["creationTimestamp"] = created;
  // Only that it is set is known, and asked for.
  if (meta.deleting) out["deletionTimestamp"] = created;
  put(out, "labels", json(meta.labels));
  put(out, "annotations", json(meta.annotations));
  return out;
}

json object_of(const char* api_version, Kind kind, const ObjectMeta& meta) {
  return {{"apiVersion", api_version}, {"kind", to_string(kind)}, {"metadata", encode_meta(meta)}};
}

json encode_port(std::uint16_t port) { return port == 0 ? json() : json(port); }

json encode_port_ref(const PortRef& port) {
  if (const auto* number = std::get_if<std::uint16_t>(&port)) return encode_port(*number);
  return std::get<std::string>(port);
}

json encode_backend(const IngressBackend& backend) {
  // Which resource it is does not matter: all are served as 404.
  if (backend.has_resource) return {{"resource", {{"kind", "Resource"}, {"name", "resource"}}}};
  const bool named = std::holds_alternative<std::string>(backend.port);
  const json port = {{named ? "name" : "number", encode_port_ref(backend.port)}};
  return {{"service", {{"name", backend.service}, {"port", port}}}};
}

std::string_view text_of(routing::PathType type) {
  switch (type) {
    case routing::PathType::kExact:
      return "Exact";
    case routing::PathType::kPrefix:
      return "Prefix";
    default:
      return "ImplementationSpecific";
  }
}

json encode_rule(const IngressRule& rule) {
  json out = json::object();
  put_text(out, "host", rule.host);
  json paths = json::array();
  for (const IngressPath& path : rule.paths) {
    json item = {{"pathType", text_of(path.path_type)}, {"backend", encode_backend(path.backend)}};
    put_text(item, "path", path.path);
    paths.push_back(std::move(item));
  }
  if (!paths.empty()) out["http"] = {{"paths", std::move(paths)}};
  return out;
}

json encode_tls(const IngressTls& tls) {
  json out = json::object();
  put(out, "hosts", json(tls.hosts));
  put_text(out, "secretName", tls.secret_name);
  return out;
}

std::string_view text_of(AddressType type) {
  switch (type) {
    case AddressType::kIPv6:
      return "IPv6";
    case AddressType::kFqdn:
      return "FQDN";
    default:
      return "IPv4";
  }
}

json encode_endpoint(const SliceEndpoint& endpoint) {
  json out = {
      {"addresses", endpoint.addresses},
      {"conditions",
       {{"ready", endpoint.ready},
        {"serving", endpoint.serving},
        {"terminating", endpoint.terminating}}}
  };
  put_text(out, "nodeName", endpoint.node_name);
  put_text(out, "zone", endpoint.zone);
  return out;
}

json encode_slice_port(const SlicePort& port) {
  json out = {{"protocol", port.protocol}, {"port", encode_port(port.port)}};
  put_text(out, "name", port.name);
  return out;
}

json encode_service_port(const ServicePort& port) {
  json out = {
      {"port", encode_port(port.port)},
      {"protocol", port.protocol},
      {"targetPort", encode_port_ref(port.target_port)}
  };
  put_text(out, "name", port.name);
  put_text(out, "appProtocol", port.app_protocol);
  return out;
}

template <class Items, class Encode>
json encode_all(const Items& items, Encode encode_item) {
  json out = json::array();
  for (const auto& item : items) out.push_back(encode_item(item));
  return out;
}

}  // namespace

json encode(const Ingress& object) {
  json out = object_of("networking.k8s.io/v1", Kind::kIngress, object.meta);
  json& spec = out["spec"] = json::object();
  if (object.ingress_class_name) spec["ingressClassName"] = *object.ingress_class_name;
  if (object.default_backend) spec["defaultBackend"] = encode_backend(*object.default_backend);
  put(spec, "rules", encode_all(object.rules, encode_rule));
  put(spec, "tls", encode_all(object.tls, encode_tls));
  return out;
}

json encode(const IngressClass& object) {
  json out = object_of("networking.k8s.io/v1", Kind::kIngressClass, object.meta);
  out["spec"] = {{"controller", object.controller}};
  return out;
}

json encode(const Service& object) {
  json out = object_of("v1", Kind::kService, object.meta);
  json& spec = out["spec"] = {{"type", object.type}};
  put_text(spec, "clusterIP", object.cluster_ip);
  put_text(spec, "externalName", object.external_name);
  // Whom it selects is the endpoint controller's business.
  if (object.has_selector) spec["selector"] = {{"any", "any"}};
  put(spec, "ports", encode_all(object.ports, encode_service_port));
  return out;
}

json encode(const EndpointSlice& object) {
  if (object.from_endpoints) return {};
  json out = object_of("discovery.k8s.io/v1", Kind::kEndpointSlice, object.meta);
  out["addressType"] = text_of(object.address_type);
  put(out, "endpoints", encode_all(object.endpoints, encode_endpoint));
  put(out, "ports", encode_all(object.ports, encode_slice_port));
  return out;
}

json encode(const Secret& object) {
  json out = object_of("v1", Kind::kSecret, object.meta);
  out["type"] = object.type;
  json data = json::object();
  for (const auto& [key, value] : object.data) data[key] = encode_base64(value);
  put(out, "data", std::move(data));
  return out;
}

json encode(const ConfigMap& object) {
  json out = object_of("v1", Kind::kConfigMap, object.meta);
  put(out, "data", json(object.data));
  return out;
}

json encode(const Namespace& object) { return object_of("v1", Kind::kNamespace, object.meta); }

json encode(const Object& object) {
  return std::visit([](const auto& value) { return encode(value); }, object);
}

}  // namespace cppx::controller
