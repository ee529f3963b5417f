#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "routing/log/log_format.h"

namespace cppx::routing {

/// What is written of requests, and where: settings of the proxy as a whole. Where is for the
/// ConfigMap alone to say: an Ingress must not choose files to be written.
struct AccessLogSettings {
  bool enabled = true;
  bool default_backend = false;  ///< Requests of hosts that nobody has configured too.
  /// A file that is appended to; /dev/stdout and /dev/stderr are those of the process.
  std::string path{"/dev/stdout"};
  LogEscape escape = LogEscape::kDefault;
  LogFormat format = LogFormat::usual();
  std::vector<std::string> skip_targets{};  ///< Request targets that are left out; sorted.

  [[nodiscard]] bool skips(std::string_view target) const noexcept {
    return !skip_targets.empty() && std::ranges::binary_search(skip_targets, target, std::less<>());
  }

  bool operator==(const AccessLogSettings&) const = default;
};

}  // namespace cppx::routing
