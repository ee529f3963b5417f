#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>

#include <nlohmann/json.hpp>

#include "controller/kube/api_client.h"
#include "controller/kube/list_watch.h"
#include "controller/kube/task_group.h"
#include "tests/cluster/fake_kubelet/address_pool.h"
#include "tests/cluster/fake_kubelet/work_queue.h"

namespace cppx::fake_kubelet {

/// Remembers the objects of a collection as they are, by "namespace/name", and calls for work
/// whenever one changes.
class ObjectCache final : public controller::ListWatchHandler {
 public:
  /// Names in the queue are `prefix` and the key.
  ObjectCache(std::string prefix, WorkQueue& queue) : prefix_(std::move(prefix)), queue_(queue) {}

  /// Null when there is no such object.
  [[nodiscard]] const nlohmann::json* find(const std::string& key) const;
  void put(const std::string& key, nlohmann::json object);
  void drop(const std::string& key);
  [[nodiscard]] const std::map<std::string, nlohmann::json>& all() const { return objects_; }

 private:
  void list_started() override { listed_.clear(); }
  void listed(const nlohmann::json& item) override;
  void list_complete() override;
  void changed(const nlohmann::json& object) override;
  void deleted(const nlohmann::json& object) override;
  void state_changed(const controller::ListWatchState&) override {}

  std::string prefix_;
  WorkQueue& queue_;
  std::map<std::string, nlohmann::json> objects_;
  std::set<std::string> listed_;
};

/// Plays the kubelets of all nodes: nodes get Ready, pods that were given a node get an address and
/// run, pods that are deleted go away after a while.
class Kubelet {
 public:
  Kubelet(controller::ApiClient& client, std::chrono::seconds terminating);

  void start();
  void stop() { tasks_.cancel(); }

 private:
  struct NodeState {
    std::string address;
    std::optional<AddressPool> pool;
  };

  controller::Task<void> work();
  controller::Task<void> work_on_node(std::string key);
  controller::Task<void> work_on_pod(std::string key);
  controller::Task<void> run_pod(
      std::string key, std::string pod_address, std::string node_address
  );
  controller::Task<void> end_pod(std::string key);
  void try_again(const std::string& name, const Error& error);
  NodeState& node_state(const nlohmann::json& node);
  std::string pod_address(const nlohmann::json& pod, NodeState& node);
  void pod_is_gone(const std::string& key);

  controller::ApiClient& client_;
  std::chrono::seconds terminating_;
  WorkQueue queue_;
  ObjectCache nodes_;
  ObjectCache pods_;
  controller::ListWatch node_watch_;
  controller::ListWatch pod_watch_;
  std::map<std::string, NodeState> node_states_;
  std::map<std::string, WorkQueue::Clock::time_point>
      ends_;                                 ///< Pods being deleted, and when they go.
  std::map<std::string, std::string> uids_;  ///< Of pods with an address.
  unsigned nodes_seen_ = 0;
  controller::TaskGroup tasks_;
};

}  // namespace cppx::fake_kubelet
