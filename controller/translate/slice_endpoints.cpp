#include "controller/translate/slice_endpoints.h"

#include <fmt/format.h>

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

// Port numbers of the slice that belong to the Service port: those of its name. A Service port
// without a name takes what has none either, else all, as a Service with one port may.
std::vector<std::uint16_t> ports_of(const EndpointSlice& slice, const ServicePort& port) {
  std::vector<std::uint16_t> named;
  std::vector<std::uint16_t> all;
  for (const SlicePort& candidate : slice.ports) {
    if (candidate.protocol != "TCP" || candidate.port == 0) continue;
    if (candidate.name == port.name) named.push_back(candidate.port);
    all.push_back(candidate.port);
  }
  if (!named.empty()) return named;
  if (port.name.empty() && !all.empty()) return all;
  // A slice without ports means that there are none defined: the target port then says it.
  const auto* number = std::get_if<std::uint16_t>(&port.target_port);
  if (slice.ports.empty() && number != nullptr && *number != 0) return {*number};
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
  for (const EndpointSlice* slice : slices) {
    if (slice->address_type == AddressType::kFqdn) {
      diagnostics.warn(
          *slice, "addressType", "UnsupportedAddressType", "FQDN addresses are not supported"
      );
      continue;
    }
    const auto ports = ports_of(*slice, port);
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
