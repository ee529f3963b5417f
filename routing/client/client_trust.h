#pragma once

#include <chrono>
#include <string>

#include "routing/client/ip_ranges.h"

namespace cppx::routing {

/// Who may say on whose behalf a connection or request comes; names and defaults are those of the
/// ConfigMap keys of ingress-nginx. Only peers in `trusted` are ever believed.
struct ClientTrust {
  IpRanges trusted = IpRanges::all_v4();  ///< proxy-real-ip-cidr
  bool use_proxy_protocol = false;        ///< Every connection begins with a PROXY header.
  std::chrono::milliseconds proxy_protocol_header_timeout = std::chrono::seconds(5);
  bool use_forwarded_headers = false;       ///< Address, scheme, host and port from X-Forwarded-*.
  bool enable_real_ip = false;              ///< The address alone.
  bool compute_full_forwarded_for = false;  ///< Appends to X-Forwarded-For instead of replacing it.
  std::string forwarded_for_header = "X-Forwarded-For";

  bool operator==(const ClientTrust&) const = default;
};

}  // namespace cppx::routing
