#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace cppx::controller {

enum class WatchEventType : std::uint8_t { kAdded, kModified, kDeleted, kBookmark, kError };

/// One line of a watch response.
struct WatchEvent {
  WatchEventType type = WatchEventType::kBookmark;
  nlohmann::json object;  ///< A Status when the type is kError.
};

/// kParse when the line is not a JSON object with a known `type` and an object in `object`.
Result<WatchEvent> parse_watch_event(std::string_view line);

/// metadata.<name> as text, empty when it is not there.
std::string metadata_text(const nlohmann::json& object, std::string_view name);

/// Whether a bookmark ends the initial events of a streamed list: it has the annotation
/// k8s.io/initial-events-end (Kubernetes API concepts, "Streaming lists").
bool ends_initial_events(const nlohmann::json& bookmark);

/// The Error for a Status object (`code`, `message`), by the rules of error_of_status().
Error error_of_status_object(const nlohmann::json& status);

}  // namespace cppx::controller
