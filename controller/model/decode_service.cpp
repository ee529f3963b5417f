#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/model/decode_parts.h"
#include "controller/model/json_field.h"
#include "controller/model/objects.h"

namespace cppx::controller {
namespace {

constexpr std::string_view kServiceNameLabel = "kubernetes.io/service-name";

std::string protocol_of(const JsonField& port) {
  std::string protocol = port["protocol"].text();
  return protocol.empty() ? "TCP" : protocol;
}

ServicePort decode_service_port(const JsonField& port) {
  ServicePort out;
  out.name = port["name"].text();
  const JsonField number = port["port"];
  if (!number.present()) number.fail("missing");
  out.port = number.port().value_or(std::uint16_t{0});
  out.target_port = port["targetPort"].port_ref().value_or(PortRef(out.port));
  out.protocol = protocol_of(port);
  out.app_protocol = port["appProtocol"].text();
  return out;
}

AddressType decode_address_type(const JsonField& field) {
  const std::string text = field.required_text();
  if (text == "IPv6") return AddressType::kIPv6;
  if (text == "FQDN") return AddressType::kFqdn;
  if (text != "IPv4") field.fail("\"" + text + "\" is none of IPv4, IPv6, FQDN");
  return AddressType::kIPv4;
}

SliceEndpoint decode_slice_endpoint(const JsonField& endpoint) {
  SliceEndpoint out;
  const JsonField addresses = endpoint["addresses"];
  addresses.each([&](const JsonField& address) { out.addresses.push_back(address.text()); });
  const JsonField conditions = endpoint["conditions"];
  out.ready = conditions["ready"].boolean(true);
  out.serving = conditions["serving"].boolean(out.ready);
  out.terminating = conditions["terminating"].boolean(false);
  out.node_name = endpoint["nodeName"].text();
  out.zone = endpoint["zone"].text();
  return out;
}

SlicePort decode_slice_port(const JsonField& port) {
  SlicePort out;
  out.name = port["name"].text();
  out.port = port["port"].port().value_or(std::uint16_t{0});
  out.protocol = protocol_of(port);
  return out;
}

void append_addresses(
    const JsonField& list, bool ready, std::vector<SliceEndpoint>& v4,
    std::vector<SliceEndpoint>& v6
) {
  list.each([&](const JsonField& address) {
    SliceEndpoint endpoint;
    std::string ip = address["ip"].required_text();
    auto& to = ip.find(':') == std::string::npos ? v4 : v6;
    endpoint.addresses.push_back(std::move(ip));
    endpoint.node_name = address["nodeName"].text();
    endpoint.ready = ready;
    endpoint.serving = ready;
    to.push_back(std::move(endpoint));
  });
}

}  // namespace

Service decode_service(const JsonField& object, ObjectMeta meta) {
  Service out;
  out.meta = std::move(meta);
  const JsonField spec = object["spec"];
  if (auto type = spec["type"].text(); !type.empty()) out.type = std::move(type);
  out.cluster_ip = spec["clusterIP"].text();
  out.external_name = spec["externalName"].text();
  out.has_selector = spec["selector"].non_empty_object();
  const JsonField ports = spec["ports"];
  ports.each([&](const JsonField& port) { out.ports.push_back(decode_service_port(port)); });
  return out;
}

EndpointSlice decode_endpoint_slice(const JsonField& object, ObjectMeta meta) {
  EndpointSlice out;
  out.meta = std::move(meta);
  if (const auto it = out.meta.labels.find(kServiceNameLabel); it != out.meta.labels.end())
    out.service = it->second;
  out.address_type = decode_address_type(object["addressType"]);
  const JsonField endpoints = object["endpoints"];
  endpoints.each([&](const JsonField& endpoint) {
    out.endpoints.push_back(decode_slice_endpoint(endpoint));
  });
  const JsonField ports = object["ports"];
  ports.each([&](const JsonField& port) { out.ports.push_back(decode_slice_port(port)); });
  return out;
}

std::vector<EndpointSlice> decode_endpoints(const JsonField& object, const ObjectMeta& meta) {
  std::vector<EndpointSlice> out;
  const JsonField subsets = object["subsets"];
  subsets.each([&](const JsonField& subset) {
    std::vector<SlicePort> ports;
    const JsonField port_list = subset["ports"];
    port_list.each([&](const JsonField& port) { ports.push_back(decode_slice_port(port)); });
    EndpointSlice slice;
    slice.meta = meta;
    slice.meta.key.name += "/" + std::to_string(out.size());
    slice.service = meta.key.name;
    slice.from_endpoints = true;
    slice.ports = std::move(ports);
    std::vector<SliceEndpoint> v6;
    append_addresses(subset["addresses"], true, slice.endpoints, v6);
    append_addresses(subset["notReadyAddresses"], false, slice.endpoints, v6);
    if (slice.endpoints.empty() && !v6.empty()) slice.address_type = AddressType::kIPv6;
    std::ranges::move(v6, std::back_inserter(slice.endpoints));
    out.push_back(std::move(slice));
  });
  return out;
}

}  // namespace cppx::controller
