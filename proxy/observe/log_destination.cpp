#include "proxy/observe/log_destination.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace cppx::proxy {
namespace {

constexpr mode_t kReadableByAll = 0644;

/// A stream of the process by its path; -1 for files. Not opened anew: that is not allowed to a
/// user who did not open it, and would begin a file from its start again.
int standard_stream(std::string_view path) noexcept {
  if (path == "/dev/stdout") return STDOUT_FILENO;
  if (path == "/dev/stderr") return STDERR_FILENO;
  return -1;
}

}  // namespace

LogDestination::~LogDestination() { close(); }

Result<void> LogDestination::open(const std::string& path) {
  if (path != path_) {
    close();
    torn_ = false;
    path_ = path;
  }
  const int stream = standard_stream(path);
  const int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  const int opened = stream >= 0 ? stream : ::open(path.c_str(), flags, kReadableByAll);
  struct stat found{};
  if (opened < 0 || ::fstat(opened, &found) != 0) {
    const int error = errno;
    if (opened >= 0 && stream < 0) ::close(opened);
    return config_error(Errc::kIo, fmt::format("cannot open {}: {}", path, std::strerror(error)));
  }
  close();
  descriptor_ = opened;
  owned_ = stream < 0;
  regular_ = S_ISREG(found.st_mode);
  return {};
}

void LogDestination::close() noexcept {
  if (owned_) ::close(descriptor_);
  owned_ = false;
  descriptor_ = -1;
  abandon_line();
  within_line_ = false;
}

bool LogDestination::replaced() const noexcept {
  if (!owned_) return false;
  struct stat here{};
  struct stat there{};
  if (::fstat(descriptor_, &here) != 0) return false;
  if (::stat(path_.c_str(), &there) != 0) return errno == ENOENT;
  return here.st_dev != there.st_dev || here.st_ino != there.st_ino;
}

LogDestination::Written LogDestination::write(const std::array<std::string_view, 2>& pieces) {
  if (torn_) {
    const Written ended = write_some({"\n", ""});
    if (ended.status != Status::kOk) return {.status = ended.status, .error = ended.error};
    torn_ = within_line_ = false;
  }
  const Written written = write_some(pieces);
  if (written.bytes != 0) {
    const std::size_t last = written.bytes - 1;
    const bool in_first = last < pieces[0].size();
    within_line_ = (in_first ? pieces[0][last] : pieces[1][last - pieces[0].size()]) != '\n';
  }
  return written;
}

LogDestination::Written LogDestination::write_some(const std::array<std::string_view, 2>& pieces
) const {
  std::array<iovec, 2> vectors{};
  for (std::size_t i = 0; i < pieces.size(); ++i)
    vectors[i] = {
        .iov_base = const_cast<char*>(pieces[i].data()),  // NOLINT: only read
        .iov_len = pieces[i].size()
    };
  std::size_t count = pieces.size();
  if (!regular_) {
    // The stream may be shared with others, who expect it to be a blocking one: so much can be
    // written when it is writable at all. If it can be, whole lines, which others then do not cut.
    pollfd ready{.fd = descriptor_, .events = POLLOUT, .revents = 0};
    if (::poll(&ready, 1, 0) == 0) return {.status = Status::kWouldBlock};
    const std::string_view some = (pieces[0].empty() ? pieces[1] : pieces[0]).substr(0, PIPE_BUF);
    const auto last_end = some.rfind('\n');
    vectors[0] = {
        .iov_base = const_cast<char*>(some.data()),  // NOLINT: only read
        .iov_len = last_end == std::string_view::npos ? some.size() : last_end + 1
    };
    count = 1;
  }
  const ssize_t written = ::writev(descriptor_, vectors.data(), static_cast<int>(count));
  if (written > 0) return {.bytes = static_cast<std::size_t>(written)};
  if (written == 0 || errno == EINTR) return {};
  if (errno == EAGAIN) return {.status = Status::kWouldBlock};
  return {.status = Status::kFailed, .error = errno};
}

}  // namespace cppx::proxy
