#include "proxy/observe/access_log_writer.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/log.h"

namespace cppx::proxy {
namespace {

// While lines come they are collected for so long: a write for many of them, and no worker has to
// wake anybody.
constexpr std::chrono::milliseconds kCollect{5};
constexpr std::chrono::milliseconds kForEver{-1};
// How often it is looked whether the file has been renamed, or can be written again.
constexpr std::chrono::seconds kLook{1};
// For a reader who does not read, at the end.
constexpr std::chrono::seconds kLastWords{2};

}  // namespace

AccessLogWriter::AccessLogWriter() : wake_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

AccessLogWriter::~AccessLogWriter() {
  stop();
  if (wake_fd_ >= 0) ::close(wake_fd_);
}

LogRing& AccessLogWriter::add_ring() { return *rings_.emplace_back(std::make_unique<LogRing>()); }

Result<void> AccessLogWriter::start() {
  if (wake_fd_ < 0) return config_error(Errc::kIo, "access log: out of descriptors");
  thread_ = std::thread([this] { run(); });
  return {};
}

void AccessLogWriter::stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true);
  wake();
  thread_.join();
}

void AccessLogWriter::set_destination(std::string_view path) {
  {
    const std::lock_guard lock(orders_);
    if (wanted_ == path) return;
    wanted_ = path;
  }
  wake();
}

void AccessLogWriter::reopen() noexcept {
  reopen_.store(true);
  wake();
}

void AccessLogWriter::wake() noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_fd_, &one, sizeof(one));
}

bool AccessLogWriter::wait(int descriptor, std::chrono::milliseconds longest) noexcept {
  std::array<pollfd, 2> watched{{
      {.fd = wake_fd_, .events = POLLIN, .revents = 0},
      {.fd = descriptor, .events = POLLOUT, .revents = 0},
  }};
  ::poll(watched.data(), watched.size(), static_cast<int>(longest.count()));
  std::uint64_t count = 0;
  return ::read(wake_fd_, &count, sizeof(count)) > 0;
}

void AccessLogWriter::run() {
  for (;;) {
    take_orders();
    const bool some = drain();
    if (stopping_.load()) {
      if (!pending()) return;
      continue;
    }
    if (some) {
      wait(-1, kCollect);
      continue;
    }
    asleep_.store(true, std::memory_order_seq_cst);
    if (!pending()) wait(-1, kForEver);
    asleep_.store(false, std::memory_order_relaxed);
  }
}

void AccessLogWriter::take_orders() {
  std::string wanted;
  {
    const std::lock_guard lock(orders_);
    wanted = wanted_;
  }
  const bool reopen = reopen_.exchange(false);
  if (wanted == path_ && !reopen) return;
  path_ = std::move(wanted);
  try_open(true);
}

bool AccessLogWriter::has_orders() noexcept {
  const std::lock_guard lock(orders_);
  return wanted_ != path_ || reopen_.load();
}

void AccessLogWriter::try_open(bool report_again) {
  if (path_.empty()) return;
  if (report_again) failing_ = false;
  next_look_ = Clock::now() + kLook;
  const auto opened = destination_.open(path_);
  open_failed_ = opened.has_error();
  if (open_failed_) failed(opened.error().detail);
}

void AccessLogWriter::failed(std::string_view what) {
  if (std::exchange(failing_, true)) return;
  dropped_before_ = dropped_.load();
  log::warning("access log: {}; lines are dropped until it can be written", what);
}

bool AccessLogWriter::pending() const noexcept {
  return std::ranges::any_of(rings_, [](const auto& ring) { return !ring->empty(); });
}

bool AccessLogWriter::destination_ready() {
  if (Clock::now() >= next_look_) {
    next_look_ = Clock::now() + kLook;
    if (!destination_.is_open() || open_failed_ || destination_.replaced()) try_open(false);
  }
  return destination_.is_open();
}

bool AccessLogWriter::drain() {
  if (!pending()) return false;
  for (std::size_t i = std::exchange(first_ring_, 0); i < rings_.size(); ++i) {
    LogRing& ring = *rings_[i];
    if (destination_ready()) {
      drain(ring);
    } else if (const Pieces pieces = ring.pending(); !has_orders()) {
      discard(ring, pieces);
    }
    if (!destination_.within_line() || ring.empty()) continue;
    // There is an order to be seen to first; nothing else goes between the parts of a line.
    first_ring_ = i;
    break;
  }
  return true;
}

void AccessLogWriter::drain(LogRing& ring) {
  using Status = LogDestination::Status;
  for (;;) {
    const auto pieces = ring.pending();
    if (pieces[0].empty() || (!destination_.within_line() && has_orders())) return;
    const auto written = destination_.write(pieces);
    ring.consume(written.bytes);
    if (written.status == Status::kWouldBlock && !wait_for_reader()) return;
    if (written.status == Status::kFailed) {
      failed(fmt::format("cannot write to {}: {}", path_, std::strerror(written.error)));
      discard(ring, ring.pending());
      open_failed_ = true;
      destination_.close();
      return;
    }
    if (written.bytes == 0 || !failing_ || open_failed_) continue;
    failing_ = false;
    log::info(
        "access log: {} is written again; {} lines were dropped", path_,
        dropped_.load() - dropped_before_
    );
  }
}

bool AccessLogWriter::wait_for_reader() {
  auto longest = kForEver;
  if (stopping_.load()) {
    if (stop_until_ == Clock::time_point{}) stop_until_ = Clock::now() + kLastWords;
    longest = std::chrono::ceil<std::chrono::milliseconds>(stop_until_ - Clock::now());
    if (longest.count() <= 0) {
      for (const auto& ring : rings_) discard(*ring, ring->pending());
      return false;
    }
  }
  return !wait(destination_.descriptor(), longest);
}

void AccessLogWriter::discard(LogRing& ring, const Pieces& pieces) {
  std::uint64_t lines = 0;
  for (const std::string_view piece : pieces)
    lines += static_cast<std::uint64_t>(std::ranges::count(piece, '\n'));
  ring.consume(pieces[0].size() + pieces[1].size());
  dropped_.fetch_add(lines, std::memory_order_relaxed);
  destination_.abandon_line();
}

}  // namespace cppx::proxy
