#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <utility>

#include "routing/snapshot.h"

namespace cppx::proxy {

/// Takes a snapshot that no stream of a worker uses any more, to free it on a thread that has the
/// time.
using Retire = std::function<void(std::shared_ptr<const routing::Snapshot>)>;

/// A published snapshot as one worker holds it: the count of its users is the worker's own, so that
/// taking it for a request touches nothing another worker touches.
class LocalSnapshot {
 public:
  explicit LocalSnapshot(std::shared_ptr<const routing::Snapshot> shared) noexcept
      : shared_(std::move(shared)) {}

 private:
  friend class SnapshotPin;
  friend class SnapshotHolder;
  std::shared_ptr<const routing::Snapshot> shared_;
  std::uint32_t uses_ = 0;
};

/// Keeps a generation alive for one stream. Must not outlive the worker.
class SnapshotPin {
 public:
  SnapshotPin() = default;
  explicit SnapshotPin(LocalSnapshot& local) noexcept : local_(&local) { ++local_->uses_; }
  SnapshotPin(SnapshotPin&& other) noexcept : local_(std::exchange(other.local_, nullptr)) {}
  SnapshotPin& operator=(SnapshotPin&& other) noexcept {
    std::swap(local_, other.local_);
    return *this;
  }
  ~SnapshotPin() {
    if (local_ != nullptr) --local_->uses_;
  }

  const routing::Snapshot& operator*() const noexcept { return *local_->shared_; }
  const routing::Snapshot* operator->() const noexcept { return local_->shared_.get(); }

 private:
  LocalSnapshot* local_ = nullptr;
};

/// The current generation of a worker, the older ones that streams still use, and newer ones that
/// wait until all workers have them: whoever has seen a new route by one worker is not told by
/// another that there is none.
class SnapshotHolder {
 public:
  /// A worker that does not answer holds the others up for so long and not longer.
  static constexpr std::chrono::milliseconds kPatience{100};

  /// `arrived` is the newest generation that all workers have been offered.
  SnapshotHolder(Retire retire, const std::atomic<std::uint64_t>& arrived)
      : retire_(std::move(retire)), arrived_(arrived) {}

  /// Taken by the first pin() or advance() once it has arrived everywhere.
  void offer(std::shared_ptr<const routing::Snapshot> next) {
    waiting_.push_back({.snapshot = std::move(next), .since = std::chrono::steady_clock::now()});
  }

  void advance() {
    while (!waiting_.empty() && is_due(waiting_.front())) {
      generations_.emplace_back(std::move(waiting_.front().snapshot));
      waiting_.pop_front();
    }
  }

  [[nodiscard]] bool empty() const noexcept { return generations_.empty(); }
  [[nodiscard]] SnapshotPin pin() noexcept {
    if (!waiting_.empty()) advance();
    return SnapshotPin(generations_.back());
  }
  [[nodiscard]] const routing::Snapshot& current() const noexcept {
    return *generations_.back().shared_;
  }

  /// Hands back every old generation without a user. Cheap when there is none.
  void release_unused() {
    for (auto old = generations_.begin();
         generations_.size() > 1 && old != std::prev(generations_.end());) {
      if (old->uses_ != 0) {
        ++old;
        continue;
      }
      retire_(std::move(old->shared_));
      old = generations_.erase(old);
    }
  }
  [[nodiscard]] bool has_old() const noexcept { return generations_.size() > 1; }

 private:
  struct Waiting {
    std::shared_ptr<const routing::Snapshot> snapshot;
    std::chrono::steady_clock::time_point since;
  };

  [[nodiscard]] bool is_due(const Waiting& next) const noexcept {
    return next.snapshot->generation <= arrived_.load(std::memory_order_acquire) ||
           std::chrono::steady_clock::now() - next.since >= kPatience;
  }

  Retire retire_;
  const std::atomic<std::uint64_t>& arrived_;
  std::deque<Waiting> waiting_;           // newest last
  std::list<LocalSnapshot> generations_;  // newest last
};

}  // namespace cppx::proxy
