#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>
#include <vector>

#include "proxy/upstream/upstream_connection.h"
#include "routing/endpoint/endpoint.h"
#include "routing/settings.h"

namespace cppx::proxy {

/// Idle connections of one worker to all backends, by key. Outlives snapshots: a change of
/// routes or endpoints starts nothing cold. At most `upstream_keepalive_connections` of them, the
/// longest idle ones go first; each is looked at once a second, so that what a backend closed is
/// closed here too.
class UpstreamPool {
 public:
  using Clock = std::chrono::steady_clock;

  explicit UpstreamPool(TimerWheel& wheel);

  /// The connection for `key` that was used last and is still alive, or null.
  UpstreamPtr take(const UpstreamKey& key);
  [[nodiscard]] bool has_idle(const UpstreamKey& key) const;
  /// Takes a connection whose last response was complete, or closes it when it has served its
  /// number.
  void give_back(UpstreamPtr connection, const routing::ProxySettings& settings);

  void close_all();
  /// Closes the one that has been idle for longest; false when there is none.
  bool close_oldest();
  [[nodiscard]] std::size_t idle() const noexcept { return by_age_.size(); }

 private:
  struct Idle {
    UpstreamPtr connection;
    Clock::time_point expires;
  };
  using AgeList = std::list<Idle>;  // oldest first
  struct Stack {
    std::vector<AgeList::iterator> idle;
    bool used = false;  // since the last sweep
  };

  struct Sweep final : Deadline {
    Sweep(TimerWheel& wheel, UpstreamPool& owner) noexcept : Deadline(wheel), pool(owner) {}
    void expired() override { pool.sweep(); }
    UpstreamPool& pool;
  };

  void sweep();
  void remove(AgeList::iterator idle);

  AgeList by_age_;
  // Nodes to splice in: giving back does not allocate in a steady state, also not when a sweep
  // finds all connections in use. As many as were never needed between two sweeps are dropped.
  AgeList spare_;
  std::size_t spare_least_ = 0;
  std::unordered_map<UpstreamKey, Stack, UpstreamKeyHash> by_key_;
  Sweep sweep_;
};

}  // namespace cppx::proxy
