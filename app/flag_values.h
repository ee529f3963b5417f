#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "controller/model/objects.h"

namespace cppx::app {

// Values of flags that CLI11 has no type for. What cannot be used is a CLI::ValidationError.

/// "namespace/name"; nothing for an empty text.
std::optional<controller::ObjectKey> object_key(const std::string& flag, const std::string& text);

/// "30s", "500ms", "1m", or a number of seconds, between the two.
std::chrono::milliseconds duration(
    const std::string& flag, const std::string& text, std::chrono::milliseconds least,
    std::chrono::milliseconds most
);

}  // namespace cppx::app
