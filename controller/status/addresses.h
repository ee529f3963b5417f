#pragma once

#include <set>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/error.h"
#include "controller/model/objects.h"

namespace cppx::controller {

/// Where clients reach us: what status.loadBalancer.ingress of our Ingresses should say. Sorted,
/// without duplicates.
using Addresses = std::vector<LoadBalancerAddress>;

/// Sorted and without duplicates and empty ones.
Addresses normalized(Addresses addresses);
/// An IP address as such, anything else as a host name.
LoadBalancerAddress to_address(std::string text);

/// Of a Service, as ingress-nginx does it: type LoadBalancer its status and its externalIPs;
/// NodePort its externalIPs, without any its clusterIP; ClusterIP that; ExternalName its name.
/// kUnsupported for other types.
Result<Addresses> addresses_of_service(const nlohmann::json& service);

/// Of a Node: the first ExternalIP, else the first InternalIP; the other way round with
/// `internal_first`. Empty when it has neither.
std::string address_of_node(const nlohmann::json& node, bool internal_first);

/// Names of the nodes of those pods in a PodList that run and are ready.
std::set<std::string> nodes_of_ready_pods(const nlohmann::json& pod_list);
/// Whether a PodList has a pod that is not `self` and does not end.
bool has_other_pods(const nlohmann::json& pod_list, const std::string& self);
/// A label selector that finds the pods made of the same template as this one: its labels without
/// those that number the versions of the template.
std::string selector_of_siblings(const nlohmann::json& pod);

/// status.loadBalancer.ingress of an object, as it is.
Addresses present_addresses(const nlohmann::json& object);
/// For status.loadBalancer.ingress.
nlohmann::json to_json(const Addresses& addresses);

}  // namespace cppx::controller
