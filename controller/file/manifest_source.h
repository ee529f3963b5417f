#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/error.h"
#include "controller/cache/store.h"
#include "controller/file/directory_watch.h"
#include "controller/file/manifest_file.h"
#include "controller/file/manifest_set.h"
#include "controller/model/objects.h"

namespace cppx::controller {

/// Keeps a Store equal to the manifests of folders and files. Changes are told by inotify and
/// gathered for a few milliseconds; a file that vanishes keeps its objects a moment longer, as
/// editors put a new one in its place. What inotify cannot see (links to other folders, network
/// file systems) is found by a look every few seconds. Belongs to the thread of the io_context.
class ManifestSource {
 public:
  /// `on_change` is called when objects or problems changed.
  ManifestSource(
      boost::asio::io_context& io, std::vector<std::filesystem::path> roots, Store& store,
      std::function<void()> on_change
  );

  /// Reads everything into the store and starts to watch. Errors: a path that does not exist or
  /// cannot be read or watched.
  Result<void> start();
  /// Nothing is called any more.
  void stop();

  /// Broken files and documents, one line each.
  [[nodiscard]] const std::vector<std::string>& problems() const noexcept {
    return manifests_.problems();
  }

 private:
  using Clock = std::chrono::steady_clock;

  Result<bool> watch_folders();
  void on_event(DirectoryWatch::What what, const std::filesystem::path& path);
  void schedule(Clock::time_point when);
  void flush();
  /// True when something is to be told at once.
  bool note(const ManifestSet::ScanResult& found);
  void look();
  void apply();

  ManifestSet manifests_;
  Store& store_;
  std::function<void()> on_change_;
  DirectoryWatch watch_;
  boost::asio::steady_timer flush_timer_;
  boost::asio::steady_timer look_timer_;
  std::set<std::filesystem::path> written_;                  // to be read
  std::map<std::filesystem::path, Clock::time_point> gone_;  // and when to believe it
  bool scan_links_ = false;
  bool scan_all_ = false;
  bool stopped_ = false;
  std::map<ObjectId, std::shared_ptr<const Object>> applied_;
  std::vector<std::string> told_problems_;
};

}  // namespace cppx::controller
