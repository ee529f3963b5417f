#pragma once
// status/: what Ingresses say about where they are served.
//
//   AddressSource (flags, Service, Nodes) → StatusWriter (PUT of the status subresource)
//
// Only the leader writes. May include: kube, cache, translate (classes), model, base.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/basic_waitable_timer.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "controller/cache/store.h"
#include "controller/kube/api_client.h"
#include "controller/kube/task.h"
#include "controller/kube/task_group.h"
#include "controller/model/objects.h"
#include "controller/status/addresses.h"
#include "controller/translate/class_options.h"

namespace cppx::controller {

struct StatusOptions {
  unsigned in_flight = 5;                        ///< Ingresses that are worked on at a time.
  std::chrono::milliseconds least_delay{250};    ///< After a failure, doubling
  std::chrono::milliseconds most_delay{10'000};  ///< up to this.
  unsigned tries = 5;                            ///< Then it is left until the next look at all.
  /// Writes of one Ingress between two looks at all of them: when somebody else writes it too, both
  /// would go on for ever.
  unsigned writes_between_looks = 5;
  std::uint32_t seed = std::random_device{}();
};

/// Keeps status.loadBalancer.ingress of all Ingresses of our classes at the addresses that clients
/// reach us by, whatever else is wrong with them. Writes only where something differs, over what
/// was just read (PUT with its resourceVersion, 409 is tried again), only a few at a time, and only
/// while `may_write` allows it, which is asked before each request. On the control thread.
class StatusWriter {
 public:
  /// What was done since the start; from any thread.
  struct Counters {
    std::atomic<std::uint64_t> written{0};
    std::atomic<std::uint64_t> failed{0};
  };

  /// References live as long as the tasks, which `tasks` owns.
  StatusWriter(
      ApiClient& client, const Store& store, const ClassOptions& classes, TaskGroup& tasks,
      std::function<bool()> may_write, StatusOptions options = {}
  );
  StatusWriter(const StatusWriter&) = delete;
  StatusWriter& operator=(const StatusWriter&) = delete;

  /// An Ingress as the API server has it now, changed in what cppx reads or not.
  void seen(const Ingress& ingress);
  void removed(const ObjectKey& key);
  /// All there are in the namespace (`ns` empty: everywhere), as after a list.
  void listed(const std::string& ns, const std::vector<Object>& objects);
  /// What the status should say, from now on; looks at all Ingresses.
  void set_addresses(Addresses addresses);
  /// Looks at all of them again: who leads, or what is ours, may have changed.
  void look_at_all();
  /// Whether nothing is being written or waits for it.
  [[nodiscard]] bool idle() const noexcept { return running_ == 0 && queue_.empty(); }

  [[nodiscard]] const Counters& counters() const noexcept { return counters_; }

 private:
  using Timer = boost::asio::basic_waitable_timer<
      std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>, Executor>;

  void enqueue(const ObjectKey& key);
  void start_workers();
  Task<void> work();
  Task<void> bring_up_to_date(ObjectKey key);
  Task<Result<void>> write(const ObjectKey& key);
  Task<Result<nlohmann::json>> send(ApiRequest request);
  [[nodiscard]] bool differs(const ObjectKey& key) const;
  [[nodiscard]] bool is_ours(const nlohmann::json& object) const;
  bool may_write_again(const ObjectKey& key);

  ApiClient& client_;
  const Store& store_;
  const ClassOptions& classes_;
  TaskGroup& tasks_;
  std::function<bool()> may_write_;
  StatusOptions options_;
  std::optional<Addresses> wanted_;         // nothing: not known yet
  std::map<ObjectKey, Addresses> present_;  // as last seen or written, normalized
  std::map<ObjectKey, unsigned> writes_;    // since the last look at all
  std::deque<ObjectKey> queue_;
  std::set<ObjectKey> queued_;
  unsigned running_ = 0;
  Counters counters_;
};

}  // namespace cppx::controller
