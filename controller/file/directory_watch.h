#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>

#include <boost/asio/io_context.hpp>

#include "base/error.h"

namespace cppx::controller {

/// Tells what happens to the files of some folders (inotify). Belongs to the thread of the
/// io_context.
class DirectoryWatch {
 public:
  enum class What : std::uint8_t {
    kWritten,  ///< Written and closed, or moved there: complete.
    kCreated,  ///< A name appeared; a file may still be written to.
    kGone,     ///< Deleted or moved away.
    kLost,     ///< Events were lost: anything may have changed. No path.
  };
  using Handler = std::function<void(What what, const std::filesystem::path& path)>;

  /// Nothing is told before start().
  DirectoryWatch(boost::asio::io_context& io, Handler handler);
  ~DirectoryWatch();
  DirectoryWatch(const DirectoryWatch&) = delete;
  DirectoryWatch& operator=(const DirectoryWatch&) = delete;

  /// An error when the system has no more inotify instances.
  Result<void> start();
  /// Watches the folder; may be called again for the same one: says whether another folder is there
  /// now (the path is a link that was changed, or was deleted and made again).
  Result<bool> add(const std::filesystem::path& folder);
  void stop();

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace cppx::controller
