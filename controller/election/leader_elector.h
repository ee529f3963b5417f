#pragma once
// election/: which of the replicas does what only one of them may do.
//
//   LeaderElector (Lease by ApiClient) → is_leader() → status/ and events/
//
// Serving traffic is nobody's privilege: all replicas do. May include: kube, model, base.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <random>
#include <string>

#include <boost/asio/basic_waitable_timer.hpp>

#include "base/boot_clock.h"
#include "base/error.h"
#include "controller/election/lease.h"
#include "controller/kube/api_client.h"
#include "controller/kube/task.h"
#include "controller/model/objects.h"

namespace cppx::controller {

struct ElectionOptions {
  ObjectKey lease;
  std::string identity;                   ///< Who we are to people who look at the Lease.
  std::chrono::milliseconds ttl{30'000};  ///< After how long without a renewal others may take it.
  std::function<BootClock::time_point()> now = &BootClock::now;
  std::uint32_t seed = std::random_device{}();

  /// A leader that could not renew for so long leads no more.
  [[nodiscard]] std::chrono::milliseconds renew_deadline() const { return ttl / 2; }
  /// How often the leader renews and the others look.
  [[nodiscard]] std::chrono::milliseconds retry_period() const { return ttl / 4; }
};

/// Elects a leader by a Lease, as client-go's leaderelection does and together with it: a Lease may
/// be taken when it was seen without any change for as long as it says, by the clock of the one who
/// looks; times within it are never compared. Writes carry the resourceVersion, so of two who take
/// it at once one gets 409 and has lost.
///
/// A record is ours by its holder and its acquireTime: another process of the same pod (a restarted
/// container, a successor that takes over) is another candidate.
class LeaderElector {
 public:
  using Changed = std::function<void(bool leading)>;

  /// `client` lives as long as run(); `changed` is called on the control thread.
  LeaderElector(ApiClient& client, ElectionOptions options, Changed changed);
  LeaderElector(const LeaderElector&) = delete;
  LeaderElector& operator=(const LeaderElector&) = delete;

  /// Ends when cancelled, and soon after release().
  Task<void> run();

  /// Leads no more from now on, and gives the Lease up so that others need not wait. Without an
  /// answer of the API server it expires by itself.
  Task<void> release();

  /// Leads no more and does nothing more about the Lease. For the end without release().
  void abandon();

  /// Whether this process may do the leader's work at this very moment, by its own clock: also
  /// right when the process was stopped or the API server hangs. To be asked before each write.
  /// From any thread.
  [[nodiscard]] bool is_leader() const noexcept;

 private:
  using Clock = std::chrono::steady_clock;
  using Timer = boost::asio::basic_waitable_timer<Clock, boost::asio::wait_traits<Clock>, Executor>;

  Task<Result<void>> attempt();
  Task<Result<void>> renew();
  Task<Result<void>> take();
  Task<Result<void>> create();
  Task<Result<void>> write(Lease lease);
  Task<Result<void>> give_up();
  void observe(Lease lease);
  void won(BootClock::time_point asked);
  void lose();
  [[nodiscard]] bool is_ours(const LeaseRecord& record) const;
  [[nodiscard]] BootClock::time_point expiry() const;
  [[nodiscard]] LeaseRecord next_record(const LeaseRecord& previous) const;
  [[nodiscard]] std::string lease_path() const;
  [[nodiscard]] std::chrono::milliseconds pause(bool failed);
  void report(const Result<void>& attempt);
  void tell();

  ApiClient& client_;
  ElectionOptions options_;
  Changed changed_;
  std::minstd_rand random_;
  Timer timer_;
  Timer deadline_timer_;
  Lease observed_;                       // as last seen or written
  BootClock::time_point observed_at_{};  // when its record was first seen as it is
  bool seen_ = false;                    // observed_ is something
  bool fresh_ = false;                   // observed_ is what the server had when last asked
  std::string acquire_time_;             // of our record, written or tried
  std::atomic<BootClock::rep> lead_until_{0};
  bool leading_ = false;  // as last told
  bool released_ = false;
  std::string trouble_;
};

}  // namespace cppx::controller
