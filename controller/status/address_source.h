#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/basic_waitable_timer.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "controller/kube/api_client.h"
#include "controller/kube/list_watch.h"
#include "controller/kube/task.h"
#include "controller/kube/task_group.h"
#include "controller/model/objects.h"
#include "controller/status/addresses.h"

namespace cppx::controller {

struct AddressOptions {
  std::vector<std::string> fixed;            ///< --publish-status-address; goes before all others.
  std::optional<ObjectKey> publish_service;  ///< --publish-service; goes before the nodes.
  bool node_internal_ip = false;             ///< --report-node-internal-ip-address
  std::optional<ObjectKey> pod;              ///< Our own; without it nodes cannot be found.
  std::chrono::milliseconds interval{60'000};  ///< --status-update-interval
  ListWatchOptions list_watch;
};

/// Finds out where clients reach us: given outright, or the addresses of a Service, which is
/// watched, or those of the nodes on which ready pods with our own pod's labels run, which are
/// asked for every `interval`. What was known stays in force while the API server is away.
class AddressSource final : private ListWatchHandler {
 public:
  /// `changed` gets every new answer, also one that is like the last, on the control thread.
  using Changed = std::function<void(const Addresses&)>;

  AddressSource(ApiClient& client, AddressOptions options, Changed changed);
  AddressSource(const AddressSource&) = delete;
  AddressSource& operator=(const AddressSource&) = delete;

  /// Starts what goes on for ever. Its tasks refer to this.
  void start(TaskGroup& tasks);
  /// Looks now, and goes on looking: only who writes has to know.
  void begin();
  void pause() noexcept { active_ = false; }

  /// Whether another replica goes on after us: a pod of our labels that does not end. Nothing is
  /// known, and false, without a pod of our own.
  Task<Result<bool>> others_run();

 private:
  using Clock = std::chrono::steady_clock;
  using Timer = boost::asio::basic_waitable_timer<Clock, boost::asio::wait_traits<Clock>, Executor>;

  Task<void> look_for_ever();
  Task<Result<Addresses>> look();
  Task<Result<Addresses>> look_at_nodes();
  Task<Result<nlohmann::json>> siblings();
  void told(const Result<Addresses>& found);

  void list_started() override { pending_ = nullptr; }
  void listed(const nlohmann::json& item) override { pending_ = item; }
  void list_complete() override;
  void changed(const nlohmann::json& object) override;
  void deleted(const nlohmann::json& object) override;
  void state_changed(const ListWatchState& state) override;

  ApiClient& client_;
  AddressOptions options_;
  ObjectKey service_key_;  // of --publish-service
  Changed changed_;
  Timer timer_;
  bool active_ = false;
  bool again_ = false;
  std::string trouble_;
  std::string selector_;    // of pods like ours; empty: not known yet
  nlohmann::json pending_;  // of a list under way
  Result<Addresses> service_;
  std::unique_ptr<ListWatch> watch_;
};

}  // namespace cppx::controller
