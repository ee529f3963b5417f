#include "controller/file/manifest_source.h"

#include <sys/stat.h>
#include <system_error>

#include <chrono>
#include <filesystem>
#include <functional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "controller/cache/store.h"
#include "controller/file/directory_watch.h"
#include "controller/file/manifest_set.h"

namespace cppx::controller {
namespace {

using namespace std::chrono_literals;

constexpr auto kGather = 3ms;      // from the first event to reading
constexpr auto kGoneAfter = 50ms;  // how long a vanished file may be on its way back
constexpr auto kLookEvery = 2s;

// A name that is complete as soon as it appears: a link. Other files are told of again when closed.
bool is_complete_when_created(const std::filesystem::path& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return false;
  return S_ISLNK(status.st_mode) || status.st_nlink > 1;
}

}  // namespace

ManifestSource::ManifestSource(
    boost::asio::io_context& io, std::vector<std::filesystem::path> roots, Store& store,
    std::function<void()> on_change
)
    : manifests_(std::move(roots)),
      store_(store),
      on_change_(std::move(on_change)),
      watch_(
          io,
          [this](DirectoryWatch::What what, const std::filesystem::path& path) {
            on_event(what, path);
          }
      ),
      flush_timer_(io, Clock::time_point::max()),
      look_timer_(io) {}

Result<void> ManifestSource::start() {
  if (auto opened = manifests_.open(); !opened) return opened;
  // Watched before they are read, so that no change between is lost.
  if (auto started = watch_.start(); !started) return started;
  if (auto watched = watch_folders(); !watched) return watched.error();
  if (auto loaded = manifests_.load(); !loaded) return loaded;
  apply();
  look();
  return {};
}

void ManifestSource::stop() {
  stopped_ = true;
  watch_.stop();
  flush_timer_.cancel();
  look_timer_.cancel();
}

Result<bool> ManifestSource::watch_folders() {
  bool changed = false;
  for (const auto& folder : manifests_.folders()) {
    const auto added = watch_.add(folder);
    if (!added) return added.error();
    changed = changed || *added;
  }
  return changed;
}

void ManifestSource::on_event(DirectoryWatch::What what, const std::filesystem::path& path) {
  using What = DirectoryWatch::What;
  const auto now = Clock::now();
  if (what == What::kLost) {
    scan_all_ = true;
  } else if (!manifests_.concerns(path)) {
    // "..data" of a mounted ConfigMap, or another name a link may lead through.
    scan_links_ = true;
  } else if (what == What::kGone) {
    gone_.insert_or_assign(path, now + kGoneAfter);
    schedule(now + kGoneAfter);
    return;
  } else if (what == What::kWritten || is_complete_when_created(path)) {
    gone_.erase(path);
    written_.insert(path);
  } else {
    return;
  }
  schedule(now + kGather);
}

void ManifestSource::schedule(Clock::time_point when) {
  if (stopped_ || flush_timer_.expiry() <= when) return;
  flush_timer_.expires_at(when);
  flush_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error || stopped_) return;
    flush_timer_.expires_at(Clock::time_point::max());
    flush();
  });
}

void ManifestSource::flush() {
  bool touched = false;
  if (scan_all_ || scan_links_) {
    const auto mode = scan_all_ ? ManifestSet::Scan::kAll : ManifestSet::Scan::kLinks;
    touched = note(manifests_.scan(mode, Clock::now()));
  }
  scan_all_ = scan_links_ = false;
  for (const auto& path : std::exchange(written_, {})) {
    touched = true;
    gone_.erase(path);
    manifests_.read(path);
  }
  const auto now = Clock::now();
  for (auto it = gone_.begin(); it != gone_.end();) {
    if (it->second > now) {
      schedule(it->second);
      ++it;
      continue;
    }
    std::error_code ignored;
    // It may be back and still be written to: then its end is told.
    if (!std::filesystem::exists(std::filesystem::symlink_status(it->first, ignored))) {
      touched = true;
      manifests_.remove(it->first);
    }
    it = gone_.erase(it);
  }
  if (!touched) return;
  manifests_.merge();
  apply();
}

bool ManifestSource::note(const ManifestSet::ScanResult& found) {
  written_.insert(found.changed.begin(), found.changed.end());
  const auto when = Clock::now() + kGoneAfter;
  for (const auto& path : found.gone) {
    gone_.try_emplace(path, when);
    schedule(when);
  }
  return found.roots_changed;
}

void ManifestSource::look() {
  look_timer_.expires_after(kLookEvery);
  look_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error || stopped_) return;
    // A folder that is missing is a problem of the scan, and watched again when it is back.
    static_cast<void>(watch_folders());
    scan_all_ = true;
    schedule(Clock::now());
    look();
  });
}

void ManifestSource::apply() {
  bool changed = false;
  const auto& objects = manifests_.objects();
  for (const auto& [id, object] : applied_) {
    if (objects.contains(id)) continue;
    store_.remove(id.first, id.second);
    changed = true;
  }
  for (const auto& [id, object] : objects) {
    const auto it = applied_.find(id);
    if (it != applied_.end() && it->second == object) continue;
    store_.apply(*object);
    changed = true;
  }
  applied_ = objects;
  if (told_problems_ != manifests_.problems()) {
    told_problems_ = manifests_.problems();
    changed = true;
  }
  if (changed) on_change_();
}

}  // namespace cppx::controller
