#include "features/session_affinity/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "base/text.h"

namespace cppx::features {
namespace {

bool is_alphanumeric(char c) noexcept {
  return (c >= '0' && c <= '9') || (to_lower(c) >= 'a' && to_lower(c) <= 'z');
}

}  // namespace

std::string SessionAffinityPolicy::describe() const {
  std::string out = fmt::format(
      "{} {} path={}", value.cookie_name, value.persistent ? "persistent" : "balanced", value.path
  );
  if (!value.domain.empty()) out += fmt::format(" domain={}", value.domain);
  if (value.expires_seconds) out += fmt::format(" expires={}s", *value.expires_seconds);
  if (value.max_age_seconds) out += fmt::format(" max-age={}s", *value.max_age_seconds);
  if (value.secure) out += " secure";
  if (value.same_site) out += fmt::format(" same-site={}", to_string(*value.same_site));
  if (value.conditional_same_site_none) out += " conditional";
  if (value.change_on_failure) out += " change-on-failure";
  if (value.legacy_canary) out += " legacy-canary";
  return out;
}

std::optional<SameSite> parse_same_site(std::string_view text) noexcept {
  for (const auto same_site : {SameSite::kNone, SameSite::kLax, SameSite::kStrict})
    if (iequals(text, to_string(same_site))) return same_site;
  return std::nullopt;
}

std::string_view to_string(SameSite same_site) noexcept {
  switch (same_site) {
    case SameSite::kNone:
      return "None";
    case SameSite::kLax:
      return "Lax";
    case SameSite::kStrict:
      return "Strict";
  }
  return "";
}

bool is_cookie_name(std::string_view text) noexcept {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && text.size() <= 256 && std::ranges::all_of(text, [&](char c) {
    return is_alphanumeric(c) || kMarks.find(c) != std::string_view::npos;
  });
}

bool is_cookie_path(std::string_view text) noexcept {
  return text.starts_with('/') && text.size() <= 1024 &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f' && c != ';'; });
}

bool is_cookie_domain(std::string_view text) noexcept {
  return !text.empty() && text.size() <= 254 && std::ranges::all_of(text, [](char c) {
    return is_alphanumeric(c) || c == '.' || c == '-' || c == '_';
  });
}

}  // namespace cppx::features
