#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "controller/kube/api_client.h"
#include "controller/kube/list_watch.h"
#include "controller/kube/object_sink.h"
#include "controller/kube/task.h"
#include "controller/model/objects.h"

namespace cppx::controller {

/// Decides by its JSON whether an object is kept; what is not is never decoded or stored.
using KeepObject = std::function<bool(const nlohmann::json& object, const ObjectKey& key)>;

/// Follows one kind in one namespace (or all) and hands decoded objects to a sink. An object that
/// cannot be decoded is logged and left out; a changed one keeps its last good state.
class Reflector final : private ListWatchHandler {
 public:
  using StateChanged = std::function<void()>;

  /// `ns` empty: all namespaces. `label_selector` empty: objects with any labels. `keep` may be
  /// empty: everything. References live as long as run().
  Reflector(
      ApiClient& client, Kind kind, std::string ns, std::string_view label_selector,
      ObjectSink& sink, KeepObject keep, StateChanged state_changed, ListWatchOptions options
  );

  /// Ends only when cancelled.
  Task<void> run();

  /// Gets one object that `keep` wants now and did not before, and hands it to the sink, unless the
  /// watch has told of it meanwhile. Success also when it does not exist: the watch will bring it.
  Task<Result<void>> fetch(ObjectKey key);
  /// Whether a list is under way: objects that it has passed over already may be wanted now.
  [[nodiscard]] bool listing() const noexcept { return listing_; }
  /// `keep` no longer wants the object.
  void forget(const ObjectKey& key);

  void ask_again() { watch_.ask_again(); }

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  [[nodiscard]] const std::string& ns() const noexcept { return ns_; }
  [[nodiscard]] const ListWatchState& state() const noexcept { return watch_.state(); }
  /// Whether an object was kept; only with a `keep`.
  [[nodiscard]] bool holds(const ObjectKey& key) const { return held_.contains(key); }

 private:
  void list_started() override;
  void listed(const nlohmann::json& item) override;
  void list_complete() override;
  void changed(const nlohmann::json& object) override;
  void deleted(const nlohmann::json& object) override;
  void state_changed(const ListWatchState& state) override;

  [[nodiscard]] bool wanted(const nlohmann::json& object, const ObjectKey& key) const;
  std::vector<Object> decoded(const nlohmann::json& object, const ObjectKey& key) const;
  void deliver(const nlohmann::json& object, const ObjectKey& key);

  ApiClient& client_;
  Kind kind_;
  std::string ns_;
  ObjectSink& sink_;
  KeepObject keep_;
  StateChanged on_state_;
  bool listing_ = false;
  std::vector<Object> pending_;        ///< Of the list under way,
  std::set<ObjectKey> pending_held_;   ///< with their keys.
  std::set<ObjectKey> held_;           ///< What was delivered; filled only with a `keep`.
  std::map<ObjectKey, bool> fetches_;  ///< Under way, and whether the watch was faster.
  ListWatch watch_;
};

}  // namespace cppx::controller
