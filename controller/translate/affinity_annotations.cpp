#include "controller/translate/affinity_annotations.h"

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/text.h"
#include "controller/translate/annotation_reader.h"
#include "controller/translate/annotations.h"
#include "controller/translate/text_values.h"
#include "features/session_affinity/policy.h"

namespace cppx::controller {
namespace {

using features::SessionAffinity;

// One of two words: false or true.
template <std::optional<bool> AffinityAnnotations::* kMember>
std::string_view choice(
    IngressAnnotations& out, std::string_view text, std::string_view no, std::string_view yes,
    std::string_view problem
) {
  if (text != no && text != yes) return problem;
  out.affinity.*kMember = text == yes;
  return {};
}

std::string_view affinity(IngressAnnotations& out, std::string_view text) {
  if (text != "cookie") return "is not \"cookie\"";
  out.affinity.cookie = true;
  return {};
}

std::string_view mode(IngressAnnotations& out, std::string_view text) {
  return choice<&AffinityAnnotations::persistent>(
      out, text, "balanced", "persistent", "is neither balanced nor persistent"
  );
}

std::string_view canary_behavior(IngressAnnotations& out, std::string_view text) {
  return choice<&AffinityAnnotations::legacy_canary>(
      out, text, "sticky", "legacy", "is neither sticky nor legacy"
  );
}

template <std::optional<bool> AffinityAnnotations::* kMember>
std::string_view boolean(IngressAnnotations& out, std::string_view text) {
  return assign_or(out.affinity.*kMember, parse_go_bool(text), "is neither true nor false");
}

template <
    std::optional<std::string> AffinityAnnotations::* kMember,
    bool (*kGood)(std::string_view) noexcept>
std::string_view text_that(IngressAnnotations& out, std::string_view text) {
  if (!kGood(text)) return "cannot stand in a Set-Cookie line";
  out.affinity.*kMember = std::string(text);
  return {};
}

template <std::optional<std::int64_t> AffinityAnnotations::* kMember>
std::string_view seconds(IngressAnnotations& out, std::string_view text) {
  const auto value = parse_int<std::int64_t>(text);
  const bool good = value && *value >= 0 && *value <= std::numeric_limits<std::int32_t>::max();
  return assign_or(
      out.affinity.*kMember, good ? value : std::nullopt, "is not a number of seconds"
  );
}

std::string_view same_site(IngressAnnotations& out, std::string_view text) {
  return assign_or(
      out.affinity.same_site, features::parse_same_site(text), "is none of None, Lax, Strict"
  );
}

using A = AffinityAnnotations;

constexpr std::array kAffinityAnnotations{
    AnnotationReader{"affinity", affinity},
    AnnotationReader{"affinity-mode", mode},
    AnnotationReader{"affinity-canary-behavior", canary_behavior},
    AnnotationReader{"session-cookie-name", text_that<&A::name, features::is_cookie_name>},
    AnnotationReader{"session-cookie-path", text_that<&A::path, features::is_cookie_path>},
    AnnotationReader{"session-cookie-domain", text_that<&A::domain, features::is_cookie_domain>},
    AnnotationReader{"session-cookie-expires", seconds<&A::expires_seconds>},
    AnnotationReader{"session-cookie-max-age", seconds<&A::max_age_seconds>},
    AnnotationReader{"session-cookie-samesite", same_site},
    AnnotationReader{"session-cookie-secure", boolean<&A::secure>},
    AnnotationReader{"session-cookie-conditional-samesite-none", boolean<&A::conditional_same_site_none>},
    AnnotationReader{"session-cookie-change-on-failure", boolean<&A::change_on_failure>},
};

}  // namespace

std::optional<SessionAffinity> AffinityAnnotations::affinity(std::string_view route_path) const {
  if (!cookie.value_or(false)) return std::nullopt;
  const SessionAffinity usual;
  // The path of a route may have what cannot stand in a cookie's.
  const std::string fallback = features::is_cookie_path(route_path) ? std::string(route_path) : "/";
  return SessionAffinity{
      .cookie_name = name.value_or(usual.cookie_name),
      .persistent = persistent.value_or(false),
      .change_on_failure = change_on_failure.value_or(false),
      .legacy_canary = legacy_canary.value_or(false),
      .path = path.value_or(fallback),
      .domain = domain.value_or(std::string()),
      .expires_seconds = expires_seconds,
      .max_age_seconds = max_age_seconds,
      .secure = secure.value_or(false),
      .same_site = same_site,
      .conditional_same_site_none = conditional_same_site_none.value_or(false),
  };
}

std::span<const AnnotationReader> affinity_annotation_readers() noexcept {
  return kAffinityAnnotations;
}

}  // namespace cppx::controller
