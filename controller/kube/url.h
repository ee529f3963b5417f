#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace cppx::controller {

/// Where an API server is: "https://10.96.0.1:443", "http://[::1]:8080/prefix".
struct ServerUrl {
  bool tls = true;
  std::string host;  ///< Name or IP literal without brackets.
  std::uint16_t port = 443;
  std::string path;  ///< Prefix of every request target; empty or "/...", no trailing slash.

  [[nodiscard]] std::string authority() const;  ///< For Host: "name:port", "[::1]:port".
  [[nodiscard]] std::string to_string() const;
};

/// kInvalidArgument when it is not an http or https URL with a host and, if any, a valid port. User
/// information, a query and a fragment are refused.
Result<ServerUrl> parse_server_url(std::string_view text);

/// Percent-encodes all but the unreserved characters of RFC 3986 section 2.3.
std::string encode_query_value(std::string_view text);

}  // namespace cppx::controller
