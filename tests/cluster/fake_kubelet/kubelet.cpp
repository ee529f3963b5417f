#include "tests/cluster/fake_kubelet/kubelet.h"

#include <fmt/format.h>

#include <utility>

#include "base/log.h"
#include "controller/kube/watch_event.h"
#include "tests/cluster/fake_kubelet/status.h"

namespace cppx::fake_kubelet {
namespace {

using controller::metadata_text;
using controller::Task;
using nlohmann::json;

constexpr std::string_view kNodePrefix = "node:";
constexpr std::string_view kPodPrefix = "pod:";
/// The node controller takes a node for lost after 40 s without one.
constexpr std::chrono::seconds kHeartbeat{10};
constexpr std::chrono::milliseconds kRetryDelay{250};

std::string key_of(const json& object) {
  const std::string ns = metadata_text(object, "namespace");
  const std::string name = metadata_text(object, "name");
  return ns.empty() ? name : ns + "/" + name;
}

std::string node_path(const std::string& key) { return "/api/v1/nodes/" + key; }

std::string pod_path(const std::string& key) {
  const auto slash = key.find('/');
  return fmt::format("/api/v1/namespaces/{}/pods/{}", key.substr(0, slash), key.substr(slash + 1));
}

bool is_finished(const json& pod) {
  const std::string phase = text_at(pod, "status.phase");
  return phase == "Succeeded" || phase == "Failed";
}

/// Events come by thousands in tests: a watch may be far more eager than a controller's.
controller::ListWatchOptions watch_options() {
  controller::ListWatchOptions options;
  options.least_delay = std::chrono::milliseconds(100);
  options.most_delay = std::chrono::milliseconds(1000);
  options.refused_delay = std::chrono::milliseconds(1000);
  return options;
}

}  // namespace

const json* ObjectCache::find(const std::string& key) const {
  const auto found = objects_.find(key);
  return found == objects_.end() ? nullptr : &found->second;
}

void ObjectCache::put(const std::string& key, json object) {
  objects_.insert_or_assign(key, std::move(object));
}

void ObjectCache::drop(const std::string& key) { objects_.erase(key); }

void ObjectCache::listed(const json& item) {
  listed_.insert(key_of(item));
  changed(item);
}

void ObjectCache::list_complete() {
  for (auto object = objects_.begin(); object != objects_.end();) {
    if (listed_.contains(object->first)) {
      ++object;
      continue;
    }
    queue_.add(prefix_ + object->first);
    object = objects_.erase(object);
  }
}

void ObjectCache::changed(const json& object) {
  const std::string key = key_of(object);
  put(key, object);
  queue_.add(prefix_ + key);
}

void ObjectCache::deleted(const json& object) {
  const std::string key = key_of(object);
  drop(key);
  queue_.add(prefix_ + key);
}

Kubelet::Kubelet(controller::ApiClient& client, std::chrono::seconds terminating)
    : client_(client),
      terminating_(terminating),
      queue_(client.executor()),
      nodes_(std::string(kNodePrefix), queue_),
      pods_(std::string(kPodPrefix), queue_),
      node_watch_(client, "/api/v1/nodes", {}, "Nodes", nodes_, watch_options()),
      pod_watch_(client, "/api/v1/pods", {}, "Pods", pods_, watch_options()),
      tasks_(client.executor()) {}

void Kubelet::start() {
  tasks_.spawn(node_watch_.run());
  tasks_.spawn(pod_watch_.run());
  tasks_.spawn(work());
}

Task<void> Kubelet::work() {
  for (;;) {
    const std::string name = co_await queue_.next();
    if (name.starts_with(kNodePrefix))
      co_await work_on_node(name.substr(kNodePrefix.size()));
    else
      co_await work_on_pod(name.substr(kPodPrefix.size()));
  }
}

Kubelet::NodeState& Kubelet::node_state(const json& node) {
  NodeState& state = node_states_[key_of(node)];
  if (state.address.empty()) {
    ++nodes_seen_;
    state.address = annotation_of(node, kAddressAnnotation);
    if (state.address.empty() && node.contains("status"))
      for (const json& address : node["status"].value("addresses", json::array()))
        if (address.value("type", "") == "InternalIP") state.address = address.value("address", "");
    if (state.address.empty()) state.address = fmt::format("10.0.0.{}", nodes_seen_);
  }
  if (const std::string range = text_at(node, "spec.podCIDR"); !state.pool && !range.empty()) {
    auto pool = AddressPool::create(range);
    if (pool)
      state.pool.emplace(std::move(*pool));
    else
      log::error("Node {}: {}", key_of(node), pool.error().detail);
    // Pods that were waiting for the range, and those that have an address of it from before.
    for (const auto& [key, pod] : pods_.all()) queue_.add(std::string(kPodPrefix) + key);
  }
  return state;
}

Task<void> Kubelet::work_on_node(std::string key) {
  const json* node = nodes_.find(key);
  if (node == nullptr) {
    node_states_.erase(key);
    co_return;
  }
  const std::string name = std::string(kNodePrefix) + key;
  const NodeState& state = node_state(*node);
  const bool ready = condition_of(*node, "Ready") == "True";
  auto patched = co_await client_.patch(
      node_path(key) + "/status", node_status_patch(*node, state.address),
      controller::PatchType::kStrategicMerge
  );
  if (!patched) {
    try_again(name, patched.error());
    co_return;
  }
  if (!ready) log::info("Node {} is ready", key);
  queue_.add(name, WorkQueue::Clock::now() + kHeartbeat);
}

std::string Kubelet::pod_address(const json& pod, NodeState& node) {
  const bool host_network = pod.contains("spec") && pod["spec"].value("hostNetwork", false);
  if (host_network) return node.address;
  if (!node.pool) return {};
  const std::string uid = metadata_text(pod, "uid");
  if (const std::string known = text_at(pod, "status.podIP"); !known.empty()) {
    node.pool->adopt(uid, known);
    return known;
  }
  return node.pool->take(uid).value_or("");
}

Task<void> Kubelet::work_on_pod(std::string key) {
  const json* pod = pods_.find(key);
  const std::string uid = pod == nullptr ? "" : metadata_text(*pod, "uid");
  if (const auto known = uids_.find(key); known != uids_.end() && known->second != uid)
    pod_is_gone(key);
  if (pod == nullptr) co_return;
  const std::string node_name = text_at(*pod, "spec.nodeName");
  const json* node = nodes_.find(node_name);
  // Without a node, the pod is looked at again when it is given one.
  if (node_name.empty() || node == nullptr) co_return;
  NodeState& state = node_state(*node);
  const std::string address = pod_address(*pod, state);
  if (address.empty()) {
    queue_.add(std::string(kPodPrefix) + key, WorkQueue::Clock::now() + kRetryDelay);
    co_return;
  }
  uids_[key] = uid;
  if (!metadata_text(*pod, "deletionTimestamp").empty()) {
    co_await end_pod(std::move(key));
    co_return;
  }
  const bool ready = condition_of(*pod, "Ready") == "True";
  const bool running = !text_at(*pod, "status.podIP").empty();
  if (is_finished(*pod) || (running && ready == pod_should_be_ready(*pod))) co_return;
  co_await run_pod(std::move(key), address, state.address);
}

Task<void> Kubelet::run_pod(std::string key, std::string pod_address, std::string node_address) {
  const json patch = pod_status_patch(*pods_.find(key), pod_address, node_address);
  auto patched = co_await client_.patch(
      pod_path(key) + "/status", patch, controller::PatchType::kStrategicMerge
  );
  if (!patched) {
    try_again(std::string(kPodPrefix) + key, patched.error());
    co_return;
  }
  log::info("Pod {} runs at {}, ready {}", key, pod_address, pod_should_be_ready(*patched));
  if (pods_.find(key) != nullptr) pods_.put(key, std::move(*patched));
}

Task<void> Kubelet::end_pod(std::string key) {
  const std::string name = std::string(kPodPrefix) + key;
  const auto now = WorkQueue::Clock::now();
  const auto end = ends_.emplace(key, now + terminating_).first->second;
  if (now < end) {
    queue_.add(name, end);
    co_return;
  }
  const json options = {
      {"kind", "DeleteOptions"},
      {"apiVersion", "v1"},
      {"gracePeriodSeconds", 0},
      {"preconditions", {{"uid", uids_[key]}}},
  };
  const auto deleted = co_await client_.remove(pod_path(key), options);
  if (!deleted) {
    try_again(name, deleted.error());
    co_return;
  }
  log::info("Pod {} has ended", key);
}

void Kubelet::pod_is_gone(const std::string& key) {
  for (auto& [name, node] : node_states_)
    if (node.pool) node.pool->give_back(uids_[key]);
  uids_.erase(key);
  ends_.erase(key);
}

void Kubelet::try_again(const std::string& name, const Error& error) {
  // Gone or replaced by another of its name: the watch tells.
  if (error.code == Errc::kNotFound || error.code == Errc::kConflict) return;
  log::warning("{}: {}", name, error.detail);
  queue_.add(name, WorkQueue::Clock::now() + kRetryDelay);
}

}  // namespace cppx::fake_kubelet
