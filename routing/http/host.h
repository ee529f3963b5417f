#pragma once

#include <optional>
#include <string_view>

namespace cppx::routing {

/// The host part of a Host header or authority without port and trailing dot (RFC 3986 3.2.2,
/// RFC 9110 7.2); letter case is kept. IPv6 literals keep their brackets. Nothing when it is not a
/// valid host: empty, userinfo, bad characters, port that is not a number up to 65535.
std::optional<std::string_view> host_without_port(std::string_view authority) noexcept;

}  // namespace cppx::routing
