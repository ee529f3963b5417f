#include "routing/snapshot.h"

#include <string_view>

namespace cppx::routing {

const ListenerTable* Snapshot::find_listener(std::string_view name) const noexcept {
  for (const ListenerTable& listener : listeners)
    if (listener.name == name) return &listener;
  return nullptr;
}

}  // namespace cppx::routing
