#include "controller/kube/followed_kind.h"

#include <fmt/format.h>

#include "controller/kube/resource.h"

namespace cppx::controller {

FollowedKind::FollowedKind(
    ApiClient& client, Options options, ObjectSink& sink, std::function<void()> state_changed
)
    : sink_(sink),
      required_(options.required),
      state_changed_(std::move(state_changed)),
      reflector_(
          client, options.kind, std::move(options.ns), options.label_selector, *this,
          std::move(options.keep),
          [this] {
            if (!tasks_.cancelled()) state_changed_();
          },
          options.list_watch
      ),
      tasks_(client.executor()) {}

void FollowedKind::start() {
  if (std::exchange(started_, true)) return;
  tasks_.spawn(reflector_.run());
}

std::string FollowedKind::waiting_for() const {
  if (!state().error.empty()) return state().error;
  return fmt::format("list of {}", resource_of(kind()).display);
}

void FollowedKind::replaced(Kind kind, const std::string& ns, std::vector<Object> objects) {
  if (!tasks_.cancelled()) sink_.replaced(kind, ns, std::move(objects));
}

void FollowedKind::upserted(Object object) {
  if (!tasks_.cancelled()) sink_.upserted(std::move(object));
}

void FollowedKind::removed(Kind kind, const ObjectKey& key) {
  if (!tasks_.cancelled()) sink_.removed(kind, key);
}

}  // namespace cppx::controller
