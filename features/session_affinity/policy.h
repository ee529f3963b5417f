#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "routing/policy.h"

namespace cppx::features {

enum class SameSite : std::uint8_t { kNone, kLax, kStrict };

/// How the requests of a session are kept on one endpoint by a cookie.
struct SessionAffinity {
  std::string cookie_name = "INGRESSCOOKIE";
  /// False, "balanced": the cookie holds a random key, which is hashed: when endpoints come, they
  /// get their share of sessions. True, "persistent": it names the endpoint, as long as there is
  /// one of that name.
  bool persistent = false;
  /// Another endpoint and a new cookie when this one fails; otherwise the same one again and again.
  bool change_on_failure = false;
  /// Where requests may go to a canary: false, "sticky": who got one side stays there; true,
  /// "legacy": decided anew for each request.
  bool legacy_canary = false;
  std::string path = "/";
  std::string domain{};
  std::optional<std::int64_t> expires_seconds{};
  std::optional<std::int64_t> max_age_seconds{};
  bool secure = false;  ///< On plain http too.
  std::optional<SameSite> same_site{};
  bool conditional_same_site_none = false;  ///< Not for browsers known not to understand None.

  auto operator<=>(const SessionAffinity&) const = default;
};

struct SessionAffinityPolicy final : routing::Policy {
  static constexpr routing::Feature kFeature = routing::Feature::kSessionAffinity;

  explicit SessionAffinityPolicy(SessionAffinity affinity) : value(std::move(affinity)) {}
  [[nodiscard]] std::string describe() const override;

  SessionAffinity value;
};

/// "None", "Lax", "Strict", in any case.
std::optional<SameSite> parse_same_site(std::string_view text) noexcept;
std::string_view to_string(SameSite same_site) noexcept;

/// What may be written into a Set-Cookie line as it is: a token; an absolute path; a domain name.
bool is_cookie_name(std::string_view text) noexcept;
bool is_cookie_path(std::string_view text) noexcept;
bool is_cookie_domain(std::string_view text) noexcept;

}  // namespace cppx::features
