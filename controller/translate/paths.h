#pragma once

#include <optional>
#include <string_view>

#include "routing/match/route.h"

namespace cppx::controller {

/// Whether an Exact or Prefix path has only what strict-validate-path-type allows: '/' first, then
/// '/', letters, digits, '.', '_', '-'.
bool is_strict_path(std::string_view path) noexcept;

/// What ingress-nginx's deep inspection takes for an attack on nginx's configuration.
bool is_suspicious_path(std::string_view path) noexcept;

/// Why the path cannot be served at all, by the rules of the Kubernetes API; nothing when it can.
std::optional<std::string_view> path_problem(
    routing::PathType type, std::string_view path
) noexcept;

}  // namespace cppx::controller
