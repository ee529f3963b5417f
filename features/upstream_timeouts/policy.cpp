#include "features/upstream_timeouts/policy.h"

#include <fmt/format.h>

#include <string>

namespace cppx::features {

std::string UpstreamTimeoutsPolicy::describe() const {
  return fmt::format(
      "connect={}ms send={}ms read={}ms", value.connect.count(), value.send.count(),
      value.read.count()
  );
}

}  // namespace cppx::features
