#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cppx::controller {

/// RFC 1123 subdomain as Kubernetes checks it: labels of a-z, 0-9 and '-', 63 each, 253 in all.
bool is_dns_subdomain(std::string_view name) noexcept;

/// Any IPv4 or IPv6 literal, without brackets.
bool is_ip_literal(std::string_view text);

/// An address of this very host, or none at all: 127/8, 0.0.0.0, ::1, ::, and those mapped into
/// IPv6.
bool is_own_address(std::string_view ip_literal);

/// "localhost" and names under it (RFC 6761 6.3); lower case, no trailing dot.
bool is_localhost_name(std::string_view name) noexcept;

/// The host of an Ingress rule in the form routes are kept by: lower case, "_" for an empty one.
/// Nothing when the Kubernetes API would refuse it: an address, bad characters, a '*' that is not
/// the whole first label.
std::optional<std::string> normalize_ingress_host(std::string_view host);

}  // namespace cppx::controller
