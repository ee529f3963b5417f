#include "controller/status/addresses.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/ip/address.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "controller/model/objects.h"

namespace cppx::controller {
namespace {

using nlohmann::json;

/// What controllers add to tell the versions of a template apart.
constexpr std::array<std::string_view, 4> kVersionLabels{
    "pod-template-hash", "controller-revision-hash", "pod-template-generation",
    "apps.kubernetes.io/pod-index"
};

/// A member, null when there is none or this is no object.
const json& member(const json& object, std::string_view key) {
  static const json kNull;
  if (!object.is_object()) return kNull;
  const auto it = object.find(key);
  return it == object.end() ? kNull : *it;
}

/// The elements of an array, none when it is not one.
const json& elements(const json& array) {
  static const json kNone = json::array();
  return array.is_array() ? array : kNone;
}

std::string text(const json& value) {
  return value.is_string() ? value.get<std::string>() : std::string();
}

void add_ips(const json& ips, Addresses& to) {
  for (const json& ip : elements(ips)) to.push_back({.ip = text(ip), .hostname = {}});
}

/// Of a LoadBalancer: the address when there is one, else the name.
void add_balanced(const json& service, Addresses& to) {
  for (LoadBalancerAddress address : present_addresses(service)) {
    if (!address.ip.empty()) address.hostname.clear();
    to.push_back(std::move(address));
  }
}

bool is_ready(const json& pod) {
  const json& status = member(pod, "status");
  if (text(member(status, "phase")) != "Running") return false;
  return std::ranges::any_of(elements(member(status, "conditions")), [](const json& condition) {
    return text(member(condition, "type")) == "Ready" &&
           text(member(condition, "status")) == "True";
  });
}

}  // namespace

Addresses normalized(Addresses addresses) {
  std::erase(addresses, LoadBalancerAddress{});
  std::ranges::sort(addresses);
  const auto doubles = std::ranges::unique(addresses);
  addresses.erase(doubles.begin(), doubles.end());
  return addresses;
}

LoadBalancerAddress to_address(std::string text) {
  boost::system::error_code error;
  boost::asio::ip::make_address(text, error);
  if (error) return {.ip = {}, .hostname = std::move(text)};
  return {.ip = std::move(text), .hostname = {}};
}

Result<Addresses> addresses_of_service(const json& service) {
  const json& spec = member(service, "spec");
  const std::string type = text(member(spec, "type"));
  const json& external_ips = member(spec, "externalIPs");
  const std::string cluster_ip = text(member(spec, "clusterIP"));
  Addresses found;
  if (type == "LoadBalancer") {
    add_balanced(service, found);
    add_ips(external_ips, found);
    return normalized(std::move(found));
  }
  if (type == "ExternalName") {
    found.push_back({.ip = {}, .hostname = text(member(spec, "externalName"))});
    return normalized(std::move(found));
  }
  if (type != "NodePort" && type != "ClusterIP")
    return config_error(
        Errc::kUnsupported, fmt::format("a Service of type \"{}\" has no address", type)
    );
  if (type == "NodePort") add_ips(external_ips, found);
  // A headless Service has "None".
  if (found.empty() && cluster_ip != "None") found.push_back({.ip = cluster_ip, .hostname = {}});
  return normalized(std::move(found));
}

std::string address_of_node(const json& node, bool internal_first) {
  std::string external;
  std::string internal;
  for (const json& address : elements(member(member(node, "status"), "addresses"))) {
    const std::string type = text(member(address, "type"));
    if (type == "ExternalIP" && external.empty()) external = text(member(address, "address"));
    if (type == "InternalIP" && internal.empty()) internal = text(member(address, "address"));
  }
  if (internal_first) std::swap(external, internal);
  return external.empty() ? internal : external;
}

std::set<std::string> nodes_of_ready_pods(const json& pod_list) {
  std::set<std::string> nodes;
  for (const json& pod : elements(member(pod_list, "items")))
    if (is_ready(pod)) nodes.insert(text(member(member(pod, "spec"), "nodeName")));
  nodes.erase(std::string());
  return nodes;
}

bool has_other_pods(const json& pod_list, const std::string& self) {
  return std::ranges::any_of(elements(member(pod_list, "items")), [&](const json& pod) {
    const json& metadata = member(pod, "metadata");
    return text(member(metadata, "name")) != self &&
           member(metadata, "deletionTimestamp").is_null();
  });
}

std::string selector_of_siblings(const json& pod) {
  std::string selector;
  const json& labels = member(member(pod, "metadata"), "labels");
  if (!labels.is_object()) return selector;
  for (const auto& [key, value] : labels.items()) {
    if (std::ranges::find(kVersionLabels, key) != kVersionLabels.end()) continue;
    // Of a StatefulSet, unique to each pod.
    if (key == "statefulset.kubernetes.io/pod-name") continue;
    selector += fmt::format("{}{}={}", selector.empty() ? "" : ",", key, text(value));
  }
  return selector;
}

Addresses present_addresses(const json& object) {
  const json& balancer = member(member(object, "status"), "loadBalancer");
  Addresses found;
  for (const json& item : elements(member(balancer, "ingress")))
    found.push_back({.ip = text(member(item, "ip")), .hostname = text(member(item, "hostname"))});
  return found;
}

json to_json(const Addresses& addresses) {
  json list = json::array();
  for (const LoadBalancerAddress& address : addresses) {
    json item = json::object();
    if (!address.ip.empty()) item["ip"] = address.ip;
    if (!address.hostname.empty()) item["hostname"] = address.hostname;
    list.push_back(std::move(item));
  }
  return list;
}

}  // namespace cppx::controller
