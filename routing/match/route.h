#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "routing/policy.h"

namespace cppx::routing {

/// `pathType` of an Ingress path. ImplementationSpecific is matched like Prefix.
enum class PathType : std::uint8_t { kExact, kPrefix, kImplementationSpecific };

/// "Exact" and so on, as in an Ingress.
std::string_view to_string(PathType type) noexcept;

/// How the endpoints of a route are spoken to.
enum class BackendProtocol : std::uint8_t {
  kHttp,   ///< HTTP/1.1
  kHttps,  ///< HTTP/1.1 over TLS
  kAuto,   ///< kHttps for requests that came over TLS, else kHttp
  kGrpc,   ///< HTTP/2 without TLS, from the first byte on (h2c)
  kGrpcs,  ///< HTTP/2 over TLS
};

constexpr bool speaks_http2(BackendProtocol protocol) noexcept {
  return protocol == BackendProtocol::kGrpc || protocol == BackendProtocol::kGrpcs;
}

/// "HTTP", "GRPCS" and so on: the values of the annotation backend-protocol.
std::string_view to_string(BackendProtocol protocol) noexcept;

/// Index into Snapshot::pools.
using PoolIndex = std::uint32_t;
/// The route forwards nowhere: the built-in default backend answers 404.
inline constexpr PoolIndex kDefaultBackend = std::numeric_limits<PoolIndex>::max();

/// Where a route comes from: for logs, metrics, explain. Empty for the built-in default backend.
struct RouteOrigin {
  std::string ns;
  std::string ingress;
  std::string service;
  std::string service_port;  ///< Number or name, as the Ingress has it.
};

/// One path of one host and what happens to requests that match it. Immutable.
struct Route {
  std::string path = "/";
  PathType path_type = PathType::kPrefix;
  PoolIndex pool = kDefaultBackend;
  BackendProtocol protocol = BackendProtocol::kHttp;
  PolicySet policies;
  RouteOrigin origin;
};

}  // namespace cppx::routing
