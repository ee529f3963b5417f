#pragma once

#include <string_view>

namespace cppx::proxy {

/// What the proxy tells the backend about the client (ingress-nginx's proxy_set_header lines).
struct ForwardedInfo {
  std::string_view client_address;  ///< Without port; IPv6 without brackets.
  std::string_view scheme;          ///< "http" or "https".
  std::string_view port;            ///< Of our listener, as users see it ("443" over TLS).
  std::string_view request_id;      ///< Used when the client sent none.
};

}  // namespace cppx::proxy
