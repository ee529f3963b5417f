#include "routing/match/route.h"

#include <string_view>

namespace cppx::routing {

std::string_view to_string(PathType type) noexcept {
  switch (type) {
    case PathType::kExact:
      return "Exact";
    case PathType::kPrefix:
      return "Prefix";
    case PathType::kImplementationSpecific:
      return "ImplementationSpecific";
  }
  return "unknown";
}

std::string_view to_string(BackendProtocol protocol) noexcept {
  switch (protocol) {
    case BackendProtocol::kHttp:
      return "HTTP";
    case BackendProtocol::kHttps:
      return "HTTPS";
    case BackendProtocol::kAuto:
      return "AUTO_HTTP";
    case BackendProtocol::kGrpc:
      return "GRPC";
    case BackendProtocol::kGrpcs:
      return "GRPCS";
  }
  return "unknown";
}

}  // namespace cppx::routing
