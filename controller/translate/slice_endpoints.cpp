#include "controller/translate/slice_endpoints.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "controller/model/objects.h"
#include "controller/translate/diagnostic_list.h"
#include "routing/endpoint/endpoint.h"

namespace cppx::controller {
namespace {

using routing::EndpointAddress;

bool has_name(const EndpointSlice& slice, const std::string& name) {
  return std::ranges::any_of(slice.ports, [&](const SlicePort& port) { return port.name == name; });
}

// 0 when it has a name.
std::uint16_t target_number(const ServicePort& port) {
  const auto* number = std::get_if<std::uint16_t>(&port.target_port);
  if (number == nullptr) return 0;
  return *number != 0 ? *number : port.port;
}

// Port numbers of the slice that belong to the Service port: those of its name. A name that no
// slice has (`is_new_name`) was just given, and the slices follow a moment later: what has the
// number of the target port is what will have the name. A Service port without a name takes what
// has none either, else all, as a Service with one port may.
std::vector<std::uint16_t> ports_of(
    const EndpointSlice& slice, const ServicePort& port, bool is_new_name
) {
  const std::uint16_t target = target_number(port);
  std::vector<std::uint16_t> named;
  std::vector<std::uint16_t> all;
  for (const SlicePort& candidate : slice.ports) {
    if (candidate.protocol != "TCP" || candidate.port == 0) continue;
    if (candidate.name == port.name) named.push_back(candidate.port);
    all.push_back(candidate.port);
  }
  if (!named.empty()) return named;
  if (is_new_name && std::ranges::find(all, target) != all.end()) return {target};
  if (port.name.empty() && !all.empty()) return all;
  // A slice without ports means that there are none defined: the target port then says it.
  if (slice.ports.empty() && target != 0) return {target};
  return {};
}

void append(
    const EndpointSlice& slice, const SliceEndpoint& endpoint,
    const std::vector<std::uint16_t>& ports, std::vector<EndpointAddress>& out,
    DiagnosticList& diagnostics
) {
  for (const std::string& ip : endpoint.addresses) {
    for (const std::uint16_t port : ports) {
      if (const auto address = EndpointAddress::parse(ip, port)) {
        out.push_back(*address);
        continue;
      }
      diagnostics.warn(
          slice, "endpoints", "InvalidAddress",
          fmt::format("\"{}\" is not an IP address; it is left out", ip)
      );
    }
  }
}

}  // namespace

std::vector<EndpointAddress> endpoints_of(
    const std::vector<const EndpointSlice*>& slices, const ServicePort& port,
    DiagnosticList& diagnostics
) {
  std::vector<EndpointAddress> ready;
  std::vector<EndpointAddress> terminating;
  const bool is_new_name = std::ranges::none_of(slices, [&](const EndpointSlice* slice) {
    return has_name(*slice, port.name);
  });
  for (const EndpointSlice* slice : slices) {
    if (slice->address_type == AddressType::kFqdn) {
      diagnostics.warn(
          *slice, "addressType", "UnsupportedAddressType", "FQDN addresses are not supported"
      );
      continue;
    }
    const auto ports = ports_of(*slice, port, is_new_name);
    for (const SliceEndpoint& endpoint : slice->endpoints) {
      if (endpoint.ready)
        append(*slice, endpoint, ports, ready, diagnostics);
      else if (endpoint.serving && endpoint.terminating)
        append(*slice, endpoint, ports, terminating, diagnostics);
    }
  }
  return ready.empty() ? terminating : ready;
}

}  // namespace cppx::controller
