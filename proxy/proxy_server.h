#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "proxy/limit/shared_limits.h"
#include "proxy/observe/access_log_writer.h"
#include "proxy/upstream/health_registry.h"
#include "proxy/worker/counters.h"
#include "proxy/worker/listener.h"
#include "proxy/worker/local_snapshot.h"
#include "proxy/worker/memory_level.h"
#include "routing/snapshot.h"

namespace cppx::proxy {

class Worker;

struct ProxyOptions {
  std::uint32_t workers = 1;
  std::vector<ListenerConfig> listeners;
  /// Of the process before this one, to go on with where they fit `listeners`; the others are
  /// closed. Owned.
  std::vector<ListenerSocket> inherited{};
  /// Called on a worker's thread each time it has asked the heap for another MiB: whether memory is
  /// short by now. The worker begins nothing new then, until on_memory_level() says that it may.
  /// Must return at once.
  std::function<MemoryLevel()> on_memory_growth{};
  /// What the process may take; 0: there is no limit.
  std::uint64_t memory_limit_bytes = 0;
};

/// The data plane as the rest of the program sees it: workers on their threads, listening from
/// start() on, serving from the first snapshot on.
class ProxyServer final : public routing::SnapshotSink {
 public:
  /// `retire` is called on worker threads and must hand the snapshot on at once.
  ProxyServer(ProxyOptions options, Retire retire);
  ~ProxyServer() override;  ///< Stops.
  ProxyServer(const ProxyServer&) = delete;
  ProxyServer& operator=(const ProxyServer&) = delete;

  /// Opens the listeners and starts the threads. Errors: port in use or not allowed, bad address.
  Result<void> start();

  /// Gives the snapshot to every worker. From any one thread.
  void publish(std::shared_ptr<const routing::Snapshot> snapshot) override;
  /// The lowest generation any worker serves; 0 until all have their first.
  [[nodiscard]] std::uint64_t serving_generation() const noexcept;

  /// To be told again while it is not kNormal.
  void on_memory_level(MemoryLevel level);
  /// Each response is the last one of its connection from now on; who comes is still served.
  void wind_down();
  /// Likewise, and another process accepts from now on; what is queued is taken before.
  void hand_over();
  /// Another process accepts, and takes what is queued, too.
  void leave_listeners();
  /// No new connections; idle ones are closed, the others end with their request.
  void drain();
  /// Connections that have not ended, over all workers.
  [[nodiscard]] std::uint64_t active_connections();
  /// Cuts what is left and joins the threads.
  void stop();

  /// Opens the access log once more, for a file that was renamed. From any thread.
  void reopen_access_log() noexcept { access_log_.reopen(); }

  /// Sum over the workers; waits for each of them to answer.
  [[nodiscard]] Counters counters();

  struct Bound {
    std::string name;
    std::string address;  ///< "127.0.0.1:8080", "[::]:80"
    std::uint16_t port = 0;
  };
  [[nodiscard]] const std::vector<Bound>& bound() const noexcept { return bound_; }
  /// What is listened on, for the process after this one. Borrowed: good until drain() or stop().
  [[nodiscard]] const std::vector<ListenerSocket>& sockets() const noexcept { return sockets_; }

 private:
  struct Slot;

  /// All workers have been offered the generation. On the thread of any of them.
  void arrived(std::uint64_t generation);
  Result<void> open_listeners();
  Result<std::uint16_t> open_listener_on_all(ListenerConfig config);
  std::vector<ListenerSocket> take_inherited(const ListenerConfig& config);
  template <class Call>
  void tell_workers(Call call);

  ProxyOptions options_;
  Retire retire_;
  std::atomic<std::uint64_t> arrived_{0};  // newest generation that all workers have
  HealthRegistry health_;                  // before the workers, which use it
  SharedLimits limits_;                    // likewise
  AccessLogWriter access_log_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<Bound> bound_;
  std::vector<ListenerSocket> sockets_;
  bool running_ = false;
};

}  // namespace cppx::proxy
