#include "controller/duties/note_maker.h"

#include <fmt/format.h>

#include <optional>
#include <string>

#include "controller/cache/store.h"
#include "controller/events/event.h"
#include "controller/model/objects.h"
#include "controller/translate/class_selection.h"
#include "controller/translate/diagnostic.h"

namespace cppx::controller {
namespace {

template <class T>
const ObjectMeta* meta_in(const Store::Map<T>& map, const ObjectKey& key) {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : &found->second->meta;
}

EventNote note_about(Kind kind, const ObjectKey& key, const ObjectMeta* meta) {
  EventNote note;
  note.kind = kind;
  note.object = key;
  if (meta == nullptr) return note;
  note.uid = meta->uid;
  note.resource_version = meta->resource_version;
  return note;
}

}  // namespace

std::optional<EventNote> NoteMaker::of_sync(const ObjectKey& key) const {
  const auto found = store_.ingresses().find(key);
  if (found == store_.ingresses().end()) return std::nullopt;
  if (ClassSelection(classes_, store_).judge(*found->second) != ClassVerdict::kOurs)
    return std::nullopt;
  EventNote note = note_about(Kind::kIngress, key, &found->second->meta);
  note.reason = "Sync";
  note.message = "Scheduled for sync";
  return note;
}

EventNote NoteMaker::of(const Diagnostic& diagnostic) const {
  EventNote note =
      note_about(diagnostic.kind, diagnostic.object, meta_of(diagnostic.kind, diagnostic.object));
  note.type = EventType::kWarning;
  note.reason = diagnostic.reason;
  note.message = diagnostic.field.empty()
                     ? diagnostic.message
                     : fmt::format("{}: {}", diagnostic.field, diagnostic.message);
  return note;
}

const ObjectMeta* NoteMaker::meta_of(Kind kind, const ObjectKey& key) const {
  switch (kind) {
    case Kind::kIngress:
      return meta_in(store_.ingresses(), key);
    case Kind::kIngressClass:
      return meta_in(store_.ingress_classes(), key);
    case Kind::kService:
      return meta_in(store_.services(), key);
    case Kind::kEndpointSlice:
      return meta_in(store_.endpoint_slices(), key);
    case Kind::kSecret:
      return meta_in(store_.secrets(), key);
    case Kind::kConfigMap:
      return meta_in(store_.config_maps(), key);
    case Kind::kNamespace:
      return meta_in(store_.namespaces(), key);
  }
  return nullptr;
}

}  // namespace cppx::controller
