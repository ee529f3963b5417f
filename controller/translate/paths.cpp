#include "controller/translate/paths.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "routing/match/route.h"

namespace cppx::controller {
namespace {

using namespace std::string_view_literals;

bool is_strict_character(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
         c == '.' || c == '_' || c == '-';
}

// "alias <anything>;" and "root <anything>;": an nginx directive within a path.
bool has_directive(std::string_view path, std::string_view word) noexcept {
  const auto at = path.find(word);
  return at != std::string_view::npos && path.find(';', at + word.size()) != std::string_view::npos;
}

}  // namespace

bool is_strict_path(std::string_view path) noexcept {
  return path.starts_with('/') && std::ranges::all_of(path, is_strict_character);
}

bool is_suspicious_path(std::string_view path) noexcept {
  constexpr std::array kPlaces{"/etc/passwd"sv,
                               "/etc/shadow"sv,
                               "/etc/group"sv,
                               "/etc/nginx"sv,
                               "/etc/ingress-controller"sv,
                               "/var/run/secrets"sv,
                               "_by_lua"sv};
  return has_directive(path, "alias") || has_directive(path, "root") ||
         std::ranges::any_of(kPlaces, [&](std::string_view place) {
           return path.find(place) != std::string_view::npos;
         });
}

std::optional<std::string_view> path_problem(
    routing::PathType type, std::string_view path
) noexcept {
  constexpr std::array kNeverMatch{"//"sv, "/./"sv, "/../"sv, "%2f"sv, "%2F"sv};
  if (!path.starts_with('/')) return "a path must start with '/'";
  if (type == routing::PathType::kImplementationSpecific) return std::nullopt;
  for (const std::string_view part : kNeverMatch)
    if (path.find(part) != std::string_view::npos)
      return "Exact and Prefix paths must not contain \"//\", \"/./\", \"/../\" or \"%2f\"";
  if (path.ends_with("/..") || path.ends_with("/."))
    return "Exact and Prefix paths must not end with \"/..\" or \"/.\"";
  return std::nullopt;
}

}  // namespace cppx::controller
