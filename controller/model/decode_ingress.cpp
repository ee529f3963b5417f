#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "controller/model/decode_parts.h"
#include "controller/model/json_field.h"
#include "controller/model/objects.h"
#include "routing/match/route.h"

namespace cppx::controller {
namespace {

constexpr std::string_view kDefaultClassAnnotation = "ingressclass.kubernetes.io/is-default-class";

PortRef decode_backend_port(const JsonField& port) {
  const JsonField number = port["number"];
  const JsonField name = port["name"];
  const bool has_number = number.present() && number.integer(0) != 0;
  std::string text = name.text();
  if (has_number && !text.empty()) port.fail("both number and name are set");
  if (has_number) return number.port().value_or(std::uint16_t{0});
  if (text.empty()) port.fail("neither number nor name is set");
  return text;
}

IngressBackend decode_backend(const JsonField& backend) {
  IngressBackend out;
  const JsonField service = backend["service"];
  const JsonField resource = backend["resource"];
  if (service.present() && resource.present()) backend.fail("both service and resource are set");
  if (resource.present()) {
    (void)resource["kind"].required_text();
    (void)resource["name"].required_text();
    out.has_resource = true;
    return out;
  }
  if (!service.present()) {
    backend.fail("neither service nor resource is set");
    return out;
  }
  out.service = service["name"].required_text();
  out.port = decode_backend_port(service["port"]);
  return out;
}

routing::PathType decode_path_type(const JsonField& field) {
  const std::string text = field.required_text();
  if (text == "Exact") return routing::PathType::kExact;
  if (text == "Prefix") return routing::PathType::kPrefix;
  if (text != "ImplementationSpecific")
    field.fail("\"" + text + "\" is none of Exact, Prefix, ImplementationSpecific");
  return routing::PathType::kImplementationSpecific;
}

IngressRule decode_rule(const JsonField& rule) {
  IngressRule out;
  out.host = rule["host"].text();
  const JsonField http = rule["http"];
  http["paths"].each([&](const JsonField& path) {
    IngressPath item;
    item.path = path["path"].text();
    item.path_type = decode_path_type(path["pathType"]);
    const JsonField backend = path["backend"];
    if (!backend.present()) backend.fail("missing");
    item.backend = decode_backend(backend);
    out.paths.push_back(std::move(item));
  });
  return out;
}

}  // namespace

Ingress decode_ingress(const JsonField& object, ObjectMeta meta) {
  Ingress out;
  out.meta = std::move(meta);
  const JsonField spec = object["spec"];
  out.ingress_class_name = spec["ingressClassName"].optional_text();
  const JsonField default_backend = spec["defaultBackend"];
  if (default_backend.present()) out.default_backend = decode_backend(default_backend);
  const JsonField rules = spec["rules"];
  rules.each([&](const JsonField& rule) { out.rules.push_back(decode_rule(rule)); });
  const JsonField tls = spec["tls"];
  tls.each([&](const JsonField& entry) {
    IngressTls item;
    const JsonField hosts = entry["hosts"];
    hosts.each([&](const JsonField& host) { item.hosts.push_back(host.text()); });
    item.secret_name = entry["secretName"].text();
    out.tls.push_back(std::move(item));
  });
  const JsonField status = object["status"];
  const JsonField balancer = status["loadBalancer"];
  const JsonField addresses = balancer["ingress"];
  addresses.each([&](const JsonField& address) {
    out.load_balancer.push_back({.ip = address["ip"].text(), .hostname = address["hostname"].text()}
    );
  });
  return out;
}

IngressClass decode_ingress_class(const JsonField& object, ObjectMeta meta) {
  IngressClass out;
  out.meta = std::move(meta);
  const auto it = out.meta.annotations.find(kDefaultClassAnnotation);
  out.is_default = it != out.meta.annotations.end() && it->second == "true";
  const JsonField spec = object["spec"];
  out.controller = spec["controller"].text();
  return out;
}

}  // namespace cppx::controller
