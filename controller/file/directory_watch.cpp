#include "controller/file/directory_watch.h"

#include <fmt/format.h>
#include <sys/inotify.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "base/error.h"

namespace cppx::controller {

namespace asio = boost::asio;

// Shared with the read in flight, which may outlive the watch until the io_context runs again.
struct DirectoryWatch::Shared : std::enable_shared_from_this<Shared> {
  Shared(asio::io_context& io, Handler given) : descriptor(io), handler(std::move(given)) {}

  void read_next();
  void handle(std::size_t length);
  void handle(const inotify_event& event);

  asio::posix::stream_descriptor descriptor;
  Handler handler;
  std::map<int, std::filesystem::path> folders;
  alignas(inotify_event) std::array<char, 16384> buffer{};
};

void DirectoryWatch::Shared::read_next() {
  descriptor.async_read_some(
      asio::buffer(buffer),
      [self = shared_from_this()](const boost::system::error_code& error, std::size_t length) {
        if (error || !self->handler) return;
        self->handle(length);
        if (self->handler) self->read_next();
      }
  );
}

void DirectoryWatch::Shared::handle(std::size_t length) {
  std::size_t at = 0;
  while (handler && at + sizeof(inotify_event) <= length) {
    inotify_event event{};
    std::memcpy(&event, buffer.data() + at, sizeof event);
    const char* name = buffer.data() + at + sizeof event;
    at += sizeof event + event.len;
    if (event.mask & IN_Q_OVERFLOW) {
      handler(What::kLost, {});
      continue;
    }
    const auto folder = folders.find(event.wd);
    if (folder == folders.end()) continue;
    if (event.mask & IN_IGNORED) {
      folders.erase(folder);
      handler(What::kLost, {});
      continue;
    }
    if (event.len == 0) continue;
    const auto path = folder->second / std::string(name, ::strnlen(name, event.len));
    if (event.mask & (IN_CLOSE_WRITE | IN_MOVED_TO))
      handler(What::kWritten, path);
    else if (event.mask & IN_CREATE)
      handler(What::kCreated, path);
    else if (event.mask & (IN_DELETE | IN_MOVED_FROM))
      handler(What::kGone, path);
  }
}

DirectoryWatch::DirectoryWatch(asio::io_context& io, Handler handler)
    : shared_(std::make_shared<Shared>(io, std::move(handler))) {}

DirectoryWatch::~DirectoryWatch() { stop(); }

Result<void> DirectoryWatch::start() {
  const int descriptor = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (descriptor < 0)
    return config_error(Errc::kIo, fmt::format("cannot watch files: {}", std::strerror(errno)));
  shared_->descriptor.assign(descriptor);
  shared_->read_next();
  return {};
}

Result<bool> DirectoryWatch::add(const std::filesystem::path& folder) {
  constexpr std::uint32_t kEvents =
      IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_ONLYDIR;
  const int watch =
      ::inotify_add_watch(shared_->descriptor.native_handle(), folder.c_str(), kEvents);
  if (watch < 0)
    return config_error(
        Errc::kIo, fmt::format("cannot watch {}: {}", folder.string(), std::strerror(errno))
    );
  const bool is_new = shared_->folders.insert_or_assign(watch, folder).second;
  // Another folder was here before: nobody is interested in where it went.
  std::erase_if(shared_->folders, [&](const auto& item) {
    if (item.first == watch || item.second != folder) return false;
    ::inotify_rm_watch(shared_->descriptor.native_handle(), item.first);
    return true;
  });
  return is_new;
}

void DirectoryWatch::stop() {
  shared_->handler = nullptr;
  boost::system::error_code ignored;
  shared_->descriptor.close(ignored);
}

}  // namespace cppx::controller
