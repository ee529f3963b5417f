#pragma once

#include <chrono>
#include <compare>

namespace cppx::routing {

/// How long a backend is waited for.
struct UpstreamTimeouts {
  std::chrono::milliseconds connect{5'000};
  std::chrono::milliseconds send{60'000};  ///< Between two writes.
  std::chrono::milliseconds read{60'000};  ///< Between two reads.

  auto operator<=>(const UpstreamTimeouts&) const = default;
};

}  // namespace cppx::routing
