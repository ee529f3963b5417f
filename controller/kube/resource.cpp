#include "controller/kube/resource.h"

#include <fmt/format.h>

#include <array>

namespace cppx::controller {
namespace {

constexpr std::string_view kCore = "/api/v1";
constexpr std::string_view kNetworking = "/apis/networking.k8s.io/v1";
constexpr std::string_view kDiscovery = "/apis/discovery.k8s.io/v1";

/// In the order of Kind.
constexpr std::array<Resource, kKindCount> kResources = {{
    {kNetworking, "ingresses", "Ingresses", true, {}},
    {kNetworking, "ingressclasses", "IngressClasses", false, {}},
    {kCore, "services", "Services", true, {}},
    {kDiscovery, "endpointslices", "EndpointSlices", true, {}},
    // Helm keeps every release of every chart in a Secret of up to a mebibyte.
    {kCore, "secrets", "Secrets", true, "type!=helm.sh/release.v1"},
    {kCore, "configmaps", "ConfigMaps", true, {}},
    {kCore, "namespaces", "Namespaces", false, {}},
}};

}  // namespace

const Resource& resource_of(Kind kind) noexcept {
  return kResources[static_cast<std::size_t>(kind)];
}

std::string collection_path(const Resource& resource, std::string_view ns) {
  if (!resource.namespaced || ns.empty())
    return fmt::format("{}/{}", resource.group_path, resource.plural);
  return fmt::format("{}/namespaces/{}/{}", resource.group_path, ns, resource.plural);
}

std::string object_path(const Resource& resource, const ObjectKey& key) {
  return fmt::format("{}/{}", collection_path(resource, key.ns), key.name);
}

}  // namespace cppx::controller
