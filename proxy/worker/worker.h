#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string_view>
#include <vector>

#include "base/descriptor.h"
#include "base/error.h"
#include "proxy/limit/shared_limits.h"
#include "proxy/observe/access_log.h"
#include "proxy/stream/http2/http2_pool.h"
#include "proxy/stream/stream_state.h"
#include "proxy/transport/event_loop.h"
#include "proxy/transport/fair_share.h"
#include "proxy/upstream/balancer.h"
#include "proxy/upstream/health_registry.h"
#include "proxy/upstream/retry_budget.h"
#include "proxy/upstream/upstream_pool.h"
#include "proxy/worker/buffer_pool.h"
#include "proxy/worker/connection_limit.h"
#include "proxy/worker/counters.h"
#include "proxy/worker/idle_list.h"
#include "proxy/worker/listener.h"
#include "proxy/worker/local_snapshot.h"
#include "proxy/worker/memory_growth.h"
#include "proxy/worker/memory_level.h"
#include "proxy/worker/request_id.h"
#include "proxy/worker/session_exchange.h"
#include "proxy/worker/timer_wheel.h"
#include "tls/client_context.h"
#include "tls/server_context.h"

namespace cppx::proxy {

class Connection;
class Worker;

/// What all workers share, each part made for that; outlives them.
struct SharedState {
  HealthRegistry& health;
  SharedLimits& limits;
  AccessLogWriter& access_log;
  const std::atomic<std::uint64_t>& arrived_generation;  ///< See SnapshotHolder.
  std::uint64_t open_files_of_worker;
  std::function<MemoryLevel()> on_memory_growth;  ///< See ProxyOptions.
  /// Calls `work` on the thread of the worker with this index. From any worker's thread.
  std::function<void(std::uint32_t worker, std::function<void(Worker&)> work)> tell_worker;
};

/// One thread and all it needs to serve: loop, listeners, connections, idle upstream connections,
/// buffers, counters. Shares nothing with other workers but immutable snapshots and SharedState.
/// Everything here is called on the worker's own thread, except run's caller and post().
class Worker {
 public:
  Worker(
      std::uint32_t index, std::uint32_t count, std::unique_ptr<tls::ServerContext> tls,
      std::unique_ptr<tls::ClientContext> upstream_tls, Retire retire, SharedState shared
  );
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Before run(): listens on a socket made by open_listener().
  void listen(ListenerSocket socket);

  /// Serves until stop(); the body of the worker's thread.
  void run();

  /// From any thread: runs `work` on the worker's thread.
  void post(std::function<void()> work) { loop_.post(std::move(work)); }

  /// To be served by once all workers have it.
  void offer(std::shared_ptr<const routing::Snapshot> snapshot);
  /// All workers have what was offered. Returns the generation served by from now on.
  std::uint64_t adopt();
  /// Each response is the last one of its connection: clients go elsewhere, none is cut off.
  void wind_down();
  /// wind_down(), and another process accepts from now on; what is queued is taken before.
  void hand_over();
  /// Another process accepts, and takes what is queued, too.
  void leave_listeners();
  /// No new connection is taken, idle ones are closed, the others end with their request.
  void drain();
  /// Cuts what is left and ends run() when the last coroutine is done.
  void stop();

  // For the connections and streams of this worker.
  [[nodiscard]] EventLoop& loop() noexcept { return loop_; }
  [[nodiscard]] TimerWheel& wheel() noexcept { return wheel_; }
  /// To be told of what takes memory and is neither a buffer nor counted here already.
  [[nodiscard]] MemoryGrowth& memory_growth() noexcept { return growth_; }
  [[nodiscard]] BufferPool& buffers() noexcept { return buffers_; }
  [[nodiscard]] UpstreamPool& upstreams() noexcept { return upstreams_; }
  [[nodiscard]] Http2Pool& http2_upstreams() noexcept { return http2_upstreams_; }
  [[nodiscard]] Balancer& balancer() noexcept { return balancer_; }
  [[nodiscard]] RetryBudget& retry_budget() noexcept { return retry_budget_; }
  [[nodiscard]] SnapshotHolder& snapshots() noexcept { return snapshots_; }
  [[nodiscard]] tls::ServerContext& tls() noexcept { return *tls_; }
  [[nodiscard]] SessionExchange& tls_sessions() noexcept { return tls_sessions_; }
  [[nodiscard]] tls::ClientContext& upstream_tls() noexcept { return *upstream_tls_; }
  [[nodiscard]] SharedLimits& limits() noexcept { return limits_; }
  [[nodiscard]] Counters& counters() noexcept { return counters_; }
  [[nodiscard]] RequestIds& request_ids() noexcept { return request_ids_; }
  [[nodiscard]] AccessLog& access_log() noexcept { return access_log_; }
  [[nodiscard]] StreamStatePool& stream_states() noexcept { return stream_states_; }
  [[nodiscard]] Yield yield() noexcept { return {.loop = loop_}; }
  [[nodiscard]] IdleList& idle_connections() noexcept { return idle_connections_; }
  [[nodiscard]] bool winding_down() const noexcept { return winding_down_; }
  [[nodiscard]] bool draining() const noexcept { return draining_; }
  /// The time as IMF-fixdate (RFC 9110 5.6.7); good until the next call.
  [[nodiscard]] std::string_view date();

  /// While stopping: ends run() when nothing is left that runs.
  void end_if_idle();

  /// Whether one more client connection may be taken.
  [[nodiscard]] bool has_room() const noexcept;
  /// A socket for one more connection to a backend. If that is more than this worker should have,
  /// the connection to a backend or, without any, the client that has been idle for longest goes.
  /// Closed when there is no descriptor for it now.
  [[nodiscard]] Descriptor open_upstream_socket(const UpstreamKey& key);
  /// There is a client for whom there is no room: an idle connection makes it, or the next one that
  /// ends or becomes idle. Then all listeners are resumed.
  void wait_for_room();
  /// The process is out of descriptors: gives back some that are of no use now.
  void on_descriptors_exhausted();

  /// Told again and again while it is not kNormal: each time some more is given back.
  void on_memory_level(MemoryLevel level);
  [[nodiscard]] bool short_of_memory() const noexcept {
    return memory_level_ >= MemoryLevel::kShort;
  }

  void on_accept(Descriptor socket, const Listener& listener, const ClientAddress& client);
  /// A client begins a TLS handshake. False when memory is short: it has to come back.
  [[nodiscard]] bool on_handshake();

 private:
  /// While somebody waits for room: what is open to backends changes without notice.
  struct RoomCheck final : Deadline {
    RoomCheck(TimerWheel& wheel, Worker& owner) noexcept : Deadline(wheel), worker(owner) {}
    void expired() override { worker.look_for_room(); }
    Worker& worker;
  };

  /// Lets TLS sessions go when they are over, which OpenSSL does with handshakes only: there may be
  /// none any more. As long as there are sessions, or connections that may make some.
  struct SessionSweep final : Deadline {
    SessionSweep(TimerWheel& wheel, Worker& owner) noexcept : Deadline(wheel), worker(owner) {}
    void expired() override { worker.sweep_sessions(); }
    Worker& worker;
  };

  void sweep_sessions();
  void on_memory_growth(const std::function<MemoryLevel()>& level_now);
  void hasten_clients();
  void release_kept_memory() noexcept;
  void resume_if_room();
  void look_for_room();
  void shed_idle_client() noexcept;
  bool close_idle_upstream();
  [[nodiscard]] OpenSockets open_sockets() const noexcept;
  void on_connection_end(std::list<Connection>::iterator connection);

  const std::uint32_t index_;
  const std::uint32_t count_;  // of workers
  EventLoop loop_;
  TimerWheel wheel_;
  MemoryGrowth growth_;
  BufferPool buffers_{growth_};
  StreamStatePool stream_states_{growth_};
  SnapshotHolder snapshots_;
  UpstreamPool upstreams_;
  Http2Pool http2_upstreams_;
  Balancer balancer_;
  RetryBudget retry_budget_{std::chrono::steady_clock::now()};
  RequestIds request_ids_;
  std::unique_ptr<tls::ServerContext> tls_;
  SessionExchange tls_sessions_;
  std::unique_ptr<tls::ClientContext> upstream_tls_;
  Counters counters_;
  AccessLog access_log_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  IdleList idle_connections_;  // before the connections, which are in it
  std::list<Connection> connections_;
  SharedLimits& limits_;
  std::uint64_t open_files_;
  bool room_wanted_ = false;
  RoomCheck room_check_{wheel_, *this};
  SessionSweep session_sweep_{wheel_, *this};
  std::array<char, 32> date_{};
  std::int64_t date_second_ = -1;
  MemoryLevel memory_level_ = MemoryLevel::kNormal;
  EventLoop::Clock::time_point hastened_{};
  bool winding_down_ = false;
  bool draining_ = false;
  bool stopping_ = false;
};

}  // namespace cppx::proxy
