#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/error.h"
#include "controller/cache/cache_key.h"
#include "controller/cache/store.h"
#include "controller/cache/store_copy.h"

namespace cppx::controller {

struct SnapshotCacheOptions {
  std::filesystem::path folder;                   ///< --snapshot-cache
  std::optional<std::filesystem::path> key_file;  ///< --snapshot-cache-key-file
  /// Between a change and the write that has it; longer where writing takes long, so that no more
  /// than a twentieth of the time is spent on it.
  std::chrono::milliseconds interval{5'000};
};

/// Keeps the objects of a Store on disk, so that a restart without a reachable API server can serve
/// them. Secrets are kept only with a key, and then encrypted. Encoding and writing happen on a
/// thread of its own; everything else belongs to the thread of the io_context.
class SnapshotCache {
 public:
  /// One line of what is wrong with the folder or the key is an error of use. `store` outlives it.
  static Result<std::unique_ptr<SnapshotCache>> open(
      boost::asio::io_context& io, SnapshotCacheOptions options, const Store& store
  );
  ~SnapshotCache();  ///< Stops.
  SnapshotCache(const SnapshotCache&) = delete;
  SnapshotCache& operator=(const SnapshotCache&) = delete;

  /// What was kept; nothing when there is nothing usable, which the log tells in one line unless
  /// there is no file at all.
  std::vector<Object> load();
  /// The store has changed: it is written after the interval.
  void changed();
  /// Writes what is due at once, and ends the thread.
  void stop();

  [[nodiscard]] std::filesystem::path file() const { return options_.folder / "objects.cache"; }

 private:
  SnapshotCache(
      boost::asio::io_context& io, SnapshotCacheOptions options, std::optional<CacheKey> key,
      const Store& store
  );
  void hand_over();
  void write_as_told();
  void write(const StoreCopy& objects);

  SnapshotCacheOptions options_;
  std::optional<CacheKey> key_;
  const Store& store_;
  boost::asio::steady_timer timer_;
  bool due_ = false;
  std::string trouble_;  ///< Of the last write; of the writer.

  std::atomic<std::chrono::milliseconds> took_{};  // the last write

  std::mutex mutex_;  // of what the writer is told
  std::condition_variable told_;
  std::optional<StoreCopy> next_;
  bool ending_ = false;
  std::thread writer_;
};

}  // namespace cppx::controller
