#include "controller/cache/snapshot_cache.h"

#include <fmt/format.h>
#include <system_error>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "controller/cache/cache_file.h"
#include "controller/cache/cache_key.h"
#include "controller/cache/store.h"
#include "controller/cache/store_copy.h"
#include "controller/model/objects.h"

namespace cppx::controller {
namespace {

Result<void> check_folder(const std::filesystem::path& folder) {
  std::error_code error;
  if (std::filesystem::is_directory(folder, error)) {
    if (::access(folder.c_str(), R_OK | W_OK | X_OK) == 0) return {};
    error = std::error_code(errno, std::generic_category());
  } else if (!error) {
    error = std::make_error_code(std::errc::not_a_directory);
  }
  return config_error(
      Errc::kIo, fmt::format("--snapshot-cache: {}: {}", folder.string(), error.message())
  );
}

}  // namespace

Result<std::unique_ptr<SnapshotCache>> SnapshotCache::open(
    boost::asio::io_context& io, SnapshotCacheOptions options, const Store& store
) {
  if (const auto checked = check_folder(options.folder); !checked) return checked.error();
  std::optional<CacheKey> key;
  if (options.key_file) {
    const auto read = CacheKey::read(*options.key_file);
    if (!read)
      return config_error(read.error().code, "--snapshot-cache-key-file: " + read.error().detail);
    key = *read;
  }
  return std::unique_ptr<SnapshotCache>(
      new SnapshotCache(io, std::move(options), std::move(key), store)
  );
}

SnapshotCache::SnapshotCache(
    boost::asio::io_context& io, SnapshotCacheOptions options, std::optional<CacheKey> key,
    const Store& store
)
    : options_(std::move(options)),
      key_(std::move(key)),
      store_(store),
      timer_(io),
      writer_([this] { write_as_told(); }) {}

SnapshotCache::~SnapshotCache() { stop(); }

std::vector<Object> SnapshotCache::load() {
  const auto text = read_whole_file(file());
  if (!text) {
    if (text.error().code != Errc::kNotFound)
      log::warning("The snapshot cache is not used: {}", text.error().detail);
    return {};
  }
  auto cached = read_cache_text(*text, key_ ? &*key_ : nullptr);
  if (!cached) {
    log::warning("The snapshot cache is not used: {}: {}", file().string(), cached.error().detail);
    return {};
  }
  if (cached->sealed_left_out > 0)
    log::warning(
        "The snapshot cache has {} Secrets that are left out: {}", cached->sealed_left_out,
        key_ ? "the key is another one" : "there is no --snapshot-cache-key-file"
    );
  return std::move(cached->objects);
}

void SnapshotCache::changed() {
  if (std::exchange(due_, true)) return;
  timer_.expires_after(std::max(options_.interval, 20 * took_.load()));
  timer_.async_wait([this](boost::system::error_code error) {
    if (!error) hand_over();
  });
}

void SnapshotCache::hand_over() {
  due_ = false;
  {
    const std::scoped_lock lock(mutex_);
    next_ = copy_of(store_);
  }
  told_.notify_one();
}

void SnapshotCache::stop() {
  if (!writer_.joinable()) return;
  timer_.cancel();
  if (due_) hand_over();
  {
    const std::scoped_lock lock(mutex_);
    ending_ = true;
  }
  told_.notify_one();
  writer_.join();
}

void SnapshotCache::write_as_told() {
  for (;;) {
    std::optional<StoreCopy> objects;
    {
      std::unique_lock lock(mutex_);
      told_.wait(lock, [this] { return next_.has_value() || ending_; });
      if (!next_) return;
      objects = std::exchange(next_, std::nullopt);
    }
    write(*objects);
  }
}

void SnapshotCache::write(const StoreCopy& objects) {
  const auto started = std::chrono::steady_clock::now();
  const auto text = write_cache_text(objects, key_ ? &*key_ : nullptr);
  const auto written = write_file_atomically(file(), text);
  took_ = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - started
  );
  const std::string trouble = written ? std::string() : written.error().detail;
  // A full disk stays full for a while: told once.
  if (trouble != trouble_ && !trouble.empty())
    log::warning("The snapshot cache is not written: {}", trouble);
  if (trouble != trouble_ && trouble.empty()) log::info("The snapshot cache is written again");
  trouble_ = trouble;
}

}  // namespace cppx::controller
