#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "controller/translate/annotation_reader.h"
#include "routing/client/ip_ranges.h"

namespace cppx::controller {

/// Annotations about how much one client may ask for.
struct LimitAnnotations {
  std::uint64_t zone = 0;  ///< Identity of the Ingress.
  std::optional<std::uint32_t> connections;
  std::optional<std::uint32_t> per_second;
  std::optional<std::uint32_t> per_minute;
  std::optional<std::uint32_t> burst_multiplier;
  std::optional<routing::IpRanges> allowlist;
  std::optional<routing::IpRanges> whitelist;  ///< The older name; counts without the newer one.
};

std::span<const AnnotationReader> limit_annotation_readers() noexcept;

}  // namespace cppx::controller
