#include "controller/events/event.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "controller/kube/resource.h"
#include "controller/model/objects.h"

namespace cppx::controller {
namespace {

using nlohmann::json;

// Limits that the API server checks: of a message in bytes, and of a name with room for what is
// added.
constexpr std::size_t kLongestMessage = 1024;
constexpr std::size_t kLongestNamePart = 230;

std::string_view to_string(EventType type) {
  return type == EventType::kWarning ? "Warning" : "Normal";
}

/// "v1" of "/api/v1", "networking.k8s.io/v1" of "/apis/networking.k8s.io/v1".
std::string api_version_of(Kind kind) {
  const std::string_view path = resource_of(kind).group_path;
  return std::string(path.substr(path.find('/', 1) + 1));
}

/// Cut between characters (UTF-8), with a sign that something is missing.
std::string shortened(const std::string& message) {
  if (message.size() <= kLongestMessage) return message;
  std::size_t end = kLongestMessage - 3;
  while (end > 0 && (static_cast<unsigned char>(message[end]) & 0xC0U) == 0x80U) --end;
  return message.substr(0, end) + "...";
}

}  // namespace

std::string event_namespace(const EventNote& note) {
  return note.object.ns.empty() ? "default" : note.object.ns;
}

std::string event_name(const EventNote& note) {
  const std::string identity = fmt::format(
      "{}\n{}\n{}\n{}\n{}\n{}", controller::to_string(note.kind), note.object.to_string(), note.uid,
      to_string(note.type), note.reason, note.message
  );
  return fmt::format("{}.{:016x}", note.object.name.substr(0, kLongestNamePart), hash64(identity));
}

json event_object(
    const EventNote& note, const EventOrigin& origin, std::chrono::system_clock::time_point now
) {
  json about{
      {"apiVersion", api_version_of(note.kind)},
      {"kind", controller::to_string(note.kind)},
      {"name", note.object.name}
  };
  if (!note.object.ns.empty()) about["namespace"] = note.object.ns;
  if (!note.uid.empty()) about["uid"] = note.uid;
  if (!note.resource_version.empty()) about["resourceVersion"] = note.resource_version;
  const std::string time = event_time(now);
  return {
      {"apiVersion", "v1"},
      {"kind", "Event"},
      {"metadata", {{"name", event_name(note)}, {"namespace", event_namespace(note)}}},
      {"involvedObject", about},
      {"type", to_string(note.type)},
      {"reason", note.reason},
      {"message", shortened(note.message)},
      {"source", {{"component", origin.component}, {"host", origin.instance}}},
      {"reportingComponent", origin.component},
      {"reportingInstance", origin.instance},
      {"firstTimestamp", time},
      {"lastTimestamp", time},
      {"count", 1},
  };
}

std::string event_time(std::chrono::system_clock::time_point time) {
  return fmt::format(
      "{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(time))
  );
}

}  // namespace cppx::controller
