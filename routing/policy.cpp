#include "routing/policy.h"

#include <string_view>

namespace cppx::routing {

std::string_view to_string(Feature feature) noexcept {
  switch (feature) {
    case Feature::kHttpsRedirect:
      return "https-redirect";
    case Feature::kStrictTransportSecurity:
      return "strict-transport-security";
    case Feature::kUpstreamTimeouts:
      return "upstream-timeouts";
    case Feature::kUpstreamRetries:
      return "upstream-retries";
    case Feature::kLoadBalancing:
      return "load-balancing";
    case Feature::kSessionAffinity:
      return "session-affinity";
    case Feature::kRateLimit:
      return "rate-limit";
    case Feature::kUpstreamProxyProtocol:
      return "upstream-proxy-protocol";
    case Feature::kAccessLog:
      return "access-log";
    case Feature::kCount:
      break;
  }
  return "unknown";
}

}  // namespace cppx::routing
