#pragma once

#include <string_view>

namespace cppx::proxy {

/// What the proxy tells the backend about the client (ingress-nginx's proxy_set_header lines).
struct ForwardedInfo {
  std::string_view client_address;  ///< Without port; IPv6 without brackets.
  std::string_view scheme;          ///< "http", "https", or what a trusted proxy says.
  std::string_view port;            ///< Of our listener, as users see it ("443" over TLS).
  std::string_view request_id;      ///< Used when the client sent none.
  std::string_view host{};          ///< As users see it, with port; empty: that of the request.
  /// The address that is added to the X-Forwarded-For received; empty: that is replaced.
  std::string_view appended_for{};
  /// The field that X-Original-Forwarded-For repeats.
  std::string_view forwarded_for_header = "X-Forwarded-For";
};

}  // namespace cppx::proxy
