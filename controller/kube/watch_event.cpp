#include "controller/kube/watch_event.h"

#include <array>
#include <utility>

#include "controller/kube/api_error.h"
#include "controller/kube/json_text.h"

namespace cppx::controller {
namespace {

using nlohmann::json;

constexpr std::array<std::pair<std::string_view, WatchEventType>, 5> kTypes = {{
    {"ADDED", WatchEventType::kAdded},
    {"MODIFIED", WatchEventType::kModified},
    {"DELETED", WatchEventType::kDeleted},
    {"BOOKMARK", WatchEventType::kBookmark},
    {"ERROR", WatchEventType::kError},
}};

Error broken(std::string detail) {
  return Error{Errc::kParse, ErrorSource::kUpstream, false, std::move(detail)};
}

}  // namespace

Result<WatchEvent> parse_watch_event(std::string_view line) {
  json event = parse_api_json(line);
  if (!event.is_object()) return broken("not a JSON object");
  const auto type = event.find("type");
  const auto object = event.find("object");
  if (type == event.end() || !type->is_string()) return broken("no type");
  if (object == event.end() || !object->is_object()) return broken("no object");
  for (const auto& [name, value] : kTypes)
    if (type->get_ref<const std::string&>() == name) return WatchEvent{value, std::move(*object)};
  return broken("unknown type");
}

std::string metadata_text(const json& object, std::string_view name) {
  const auto metadata = object.find("metadata");
  if (metadata == object.end() || !metadata->is_object()) return {};
  const auto field = metadata->find(name);
  if (field == metadata->end() || !field->is_string()) return {};
  return field->get<std::string>();
}

bool ends_initial_events(const json& bookmark) {
  const auto metadata = bookmark.find("metadata");
  if (metadata == bookmark.end() || !metadata->is_object()) return false;
  const auto annotations = metadata->find("annotations");
  if (annotations == metadata->end() || !annotations->is_object()) return false;
  const auto mark = annotations->find("k8s.io/initial-events-end");
  return mark != annotations->end() && *mark == "true";
}

Error error_of_status_object(const json& status) {
  unsigned code = 500;
  std::string message;
  if (status.is_object()) {
    if (const auto field = status.find("code");
        field != status.end() && field->is_number_unsigned())
      code = field->get<unsigned>();
    if (const auto field = status.find("message"); field != status.end() && field->is_string())
      message = field->get<std::string>();
  }
  return error_of_status(code, message);
}

}  // namespace cppx::controller
