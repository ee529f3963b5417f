#include "controller/model/objects.h"

#include <string>
#include <string_view>
#include <variant>

namespace cppx::controller {

std::string_view to_string(Kind kind) noexcept {
  switch (kind) {
    case Kind::kIngress:
      return "Ingress";
    case Kind::kIngressClass:
      return "IngressClass";
    case Kind::kService:
      return "Service";
    case Kind::kEndpointSlice:
      return "EndpointSlice";
    case Kind::kSecret:
      return "Secret";
    case Kind::kConfigMap:
      return "ConfigMap";
    case Kind::kNamespace:
      return "Namespace";
  }
  return "unknown";
}

std::string ObjectKey::to_string() const { return ns.empty() ? name : ns + "/" + name; }

const ObjectMeta& meta_of(const Object& object) {
  return *std::visit([](const auto& value) { return &value.meta; }, object);
}

Kind kind_of(const Object& object) noexcept {
  // The alternatives of Object are in the order of Kind.
  return static_cast<Kind>(object.index());
}

}  // namespace cppx::controller
