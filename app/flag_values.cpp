#include "app/flag_values.h"

#include <fmt/format.h>

#include <chrono>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include "controller/model/objects.h"
#include "controller/translate/text_values.h"

namespace cppx::app {

std::optional<controller::ObjectKey> object_key(const std::string& flag, const std::string& text) {
  if (text.empty()) return std::nullopt;
  const auto slash = text.find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == text.size() ||
      text.find('/', slash + 1) != std::string::npos)
    throw CLI::ValidationError(flag, "'" + text + "' is not of the form namespace/name");
  return controller::ObjectKey{.ns = text.substr(0, slash), .name = text.substr(slash + 1)};
}

std::chrono::milliseconds duration(
    const std::string& flag, const std::string& text, std::chrono::milliseconds least,
    std::chrono::milliseconds most
) {
  const auto parsed = controller::parse_duration(text);
  if (!parsed)
    throw CLI::ValidationError(flag, "'" + text + "' is not a duration (30s, 500ms, 1m)");
  if (*parsed < least || *parsed > most)
    throw CLI::ValidationError(
        flag, fmt::format("'{}' is not between {} and {} ms", text, least.count(), most.count())
    );
  return *parsed;
}

}  // namespace cppx::app
