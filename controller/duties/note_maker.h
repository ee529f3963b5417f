#pragma once

#include <optional>

#include "controller/cache/store.h"
#include "controller/events/event.h"
#include "controller/model/objects.h"
#include "controller/translate/class_options.h"
#include "controller/translate/diagnostic.h"

namespace cppx::controller {

/// What there is to be told in Events, with what the store knows of the objects. Borrows both.
class NoteMaker {
 public:
  NoteMaker(const Store& store, const ClassOptions& classes) : store_(store), classes_(classes) {}

  /// "Scheduled for sync", as ingress-nginx says it of each Ingress of its classes that is new or
  /// changed; nothing when it is not ours.
  [[nodiscard]] std::optional<EventNote> of_sync(const ObjectKey& ingress) const;
  [[nodiscard]] EventNote of(const Diagnostic& diagnostic) const;

 private:
  [[nodiscard]] const ObjectMeta* meta_of(Kind kind, const ObjectKey& key) const;

  const Store& store_;
  const ClassOptions& classes_;
};

}  // namespace cppx::controller
