#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "controller/kube/object_sink.h"
#include "controller/kube/reflector.h"
#include "controller/kube/task_group.h"

namespace cppx::controller {

/// A Reflector with the coroutines that serve it. Stands between it and the sink, so that nothing
/// passes any more once it is stopped: a coroutine may have an answer in hand then.
class FollowedKind final : private ObjectSink {
 public:
  struct Options {
    Kind kind;
    std::string ns;              ///< Empty: all namespaces.
    std::string label_selector;  ///< Empty: every object.
    KeepObject keep;             ///< Empty: every object.
    bool required = true;        ///< Without it, traffic would be served wrongly.
    ListWatchOptions list_watch;
  };

  /// References live until stopped(); `state_changed` is not called after stop().
  FollowedKind(
      ApiClient& client, Options options, ObjectSink& sink, std::function<void()> state_changed
  );

  /// Begins to list and watch; does nothing when it has begun.
  void start();
  /// To be destroyed when stopped(), which comes while the io_context runs on.
  void stop() { tasks_.cancel(); }
  [[nodiscard]] bool stopped() const noexcept { return tasks_.empty(); }
  [[nodiscard]] bool started() const noexcept { return started_; }

  /// A coroutine that ends with this.
  void spawn(Task<void> task) { tasks_.spawn(std::move(task)); }

  [[nodiscard]] Reflector& reflector() noexcept { return reflector_; }
  [[nodiscard]] Kind kind() const noexcept { return reflector_.kind(); }
  [[nodiscard]] const std::string& ns() const noexcept { return reflector_.ns(); }
  [[nodiscard]] bool required() const noexcept { return required_; }
  [[nodiscard]] const ListWatchState& state() const noexcept { return reflector_.state(); }
  /// Listed, or refused by the server for good and not required.
  [[nodiscard]] bool settled() const noexcept {
    return state().listed || (state().refused_again && !required_);
  }
  /// "list of Services: 403 Forbidden", or what is being done if nothing is wrong.
  [[nodiscard]] std::string waiting_for() const;

 private:
  void replaced(Kind kind, const std::string& ns, std::vector<Object> objects) override;
  void upserted(Object object) override;
  void removed(Kind kind, const ObjectKey& key) override;
  void source_changed(const SourceState&) override {}

  ObjectSink& sink_;
  bool required_;
  bool started_ = false;
  std::function<void()> state_changed_;
  Reflector reflector_;
  TaskGroup tasks_;
};

}  // namespace cppx::controller
