#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "controller/translate/annotation_reader.h"
#include "features/session_affinity/policy.h"

namespace cppx::controller {

/// Annotations about sessions. Without `cookie` the others mean nothing.
struct AffinityAnnotations {
  std::optional<bool> cookie;  ///< affinity: cookie
  std::optional<bool> persistent;
  std::optional<bool> legacy_canary;
  std::optional<std::string> name;
  std::optional<std::string> path;
  std::optional<std::string> domain;
  std::optional<std::int64_t> expires_seconds;
  std::optional<std::int64_t> max_age_seconds;
  std::optional<features::SameSite> same_site;
  std::optional<bool> secure;
  std::optional<bool> conditional_same_site_none;
  std::optional<bool> change_on_failure;

  /// The policy of a route with this path, if sessions are to be kept.
  [[nodiscard]] std::optional<features::SessionAffinity> affinity(std::string_view route_path
  ) const;
};

std::span<const AnnotationReader> affinity_annotation_readers() noexcept;

}  // namespace cppx::controller
