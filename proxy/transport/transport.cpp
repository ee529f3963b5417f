#include "proxy/transport/transport.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace cppx::proxy {
namespace {

IoResult from_errno() noexcept {
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {IoStatus::kWantRead, 0};
  return {IoStatus::kError, 0, errno};
}

}  // namespace

Transport::Transport(EventLoop& loop, TimerWheel& wheel)
    : loop_(loop), read_deadline_(wheel, *this), write_deadline_(wheel, *this) {}

Transport::~Transport() { close(); }

bool Transport::assign(Descriptor socket) {
  if (!loop_.add(socket.get(), *this)) return false;
  socket_ = std::move(socket);
  return true;
}

bool Transport::start_tls(tls::SslPtr ssl) noexcept {
  tls_ = tls::Stream::create(std::move(ssl), *this);
  return tls_ != nullptr;
}

ssize_t Transport::receive(char* into, std::size_t size) noexcept {
  // TLS asks once more than there is.
  if (tls_ && !read_.ready) {
    errno = EAGAIN;
    return -1;
  }
  const ssize_t got = ::recv(socket_.get(), into, size, 0);
  if (got < 0 && !tls::would_block()) failure_ = errno;
  // Less than asked for is all there was (epoll(7)).
  if (got < static_cast<ssize_t>(size)) read_.ready = ended_;
  return got;
}

ssize_t Transport::send(const char* data, std::size_t size, bool more) noexcept {
  const ssize_t sent = ::send(socket_.get(), data, size, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
  if (sent > 0) sent_bytes_ += static_cast<std::uint64_t>(sent);
  if (sent < 0 && !tls::would_block()) {
    // It stays ready: who waits to write has to hear of it too, also when a reader was first.
    failure_ = errno;
  } else if (sent < static_cast<ssize_t>(size)) {
    write_.ready = false;
  }
  return sent;
}

IoResult Transport::from_tls(tls::StreamResult result) const noexcept {
  switch (result.status) {
    case tls::StreamStatus::kOk:
      return {IoStatus::kOk, result.bytes};
    case tls::StreamStatus::kWantRead:
      return {IoStatus::kWantRead, 0};
    case tls::StreamStatus::kWantWrite:
      return {IoStatus::kWantWrite, 0};
    case tls::StreamStatus::kWantSession:
      return {IoStatus::kWantSession, 0};
    case tls::StreamStatus::kEof:
      return {IoStatus::kEof, 0};
    case tls::StreamStatus::kError:
      break;
  }
  return {IoStatus::kError, 0, failure_};
}

std::string_view Transport::alpn() const noexcept {
  return tls_ ? tls_->alpn() : std::string_view();
}

std::string_view Transport::tls_protocol() const noexcept { return tls_->protocol(); }

std::string_view Transport::tls_cipher() const noexcept { return tls_->cipher(); }

std::string_view Transport::tls_server_name() const noexcept { return tls_->server_name(); }

IoResult Transport::try_handshake() noexcept { return from_tls(tls_->handshake()); }

IoResult Transport::try_read(std::span<char> into) noexcept {
  if (tls_) {
    const IoResult result = from_tls(tls_->read(into));
    tls_ended_ = result.status == IoStatus::kEof || result.status == IoStatus::kError;
    return result;
  }
  const ssize_t got = receive(into.data(), into.size());
  if (got > 0) return {IoStatus::kOk, static_cast<std::size_t>(got)};
  if (got == 0) return {IoStatus::kEof, 0};
  return from_errno();
}

IoResult Transport::try_write(std::span<const iovec> pieces) noexcept {
  if (tls_) return from_tls(tls_->write(pieces));
  ssize_t sent = 0;
  if (pieces.size() == 1) {
    // The kernel has less to take in than with a message.
    sent = ::send(socket_.get(), pieces.front().iov_base, pieces.front().iov_len, MSG_NOSIGNAL);
  } else {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(pieces.data());  // NOLINT: sendmsg does not write to it
    message.msg_iovlen = pieces.size();
    sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
  }
  if (sent >= 0) {
    sent_bytes_ += static_cast<std::uint64_t>(sent);
    return {IoStatus::kOk, static_cast<std::size_t>(sent)};
  }
  IoResult result = from_errno();
  if (result.status == IoStatus::kWantRead) {
    result.status = IoStatus::kWantWrite;
    write_.ready = false;
  }
  return result;
}

std::uint64_t Transport::unacknowledged_bytes() const noexcept {
  int bytes = 0;
  if (::ioctl(socket_.get(), SIOCOUTQ, &bytes) != 0 || bytes < 0) return 0;
  return static_cast<std::uint64_t>(bytes);
}

Task<IoResult> Transport::read_some(std::span<char> into) {
  // Whoever never had to wait would not hear of it.
  if (read_.cancelled) co_return IoResult{IoStatus::kCancelled, 0};
  IoResult result{IoStatus::kWantRead, 0};
  // Where nothing is known to be there trying is in vain.
  if (!silent()) result = try_read(into);
  while (result.status == IoStatus::kWantRead || result.status == IoStatus::kWantWrite) {
    const auto ready = co_await (
        result.status == IoStatus::kWantRead ? wait(Direction::kRead)
                                             : wait_across(Direction::kRead)
    );
    if (ready != IoStatus::kOk) co_return IoResult{ready, 0};
    result = try_read(into);
  }
  co_return result;
}

// Without a place to put it (tcp(7), MSG_TRUNC).
IoResult Transport::try_discard() noexcept {
  constexpr std::size_t kMost = 64 * 1024;
  const ssize_t got = ::recv(socket_.get(), nullptr, kMost, MSG_TRUNC);
  if (got < static_cast<ssize_t>(kMost)) read_.ready = ended_;
  if (got > 0) return {IoStatus::kOk, static_cast<std::size_t>(got)};
  if (got == 0) return {IoStatus::kEof, 0};
  return from_errno();
}

Task<IoResult> Transport::discard_some() {
  for (;;) {
    const IoResult result = try_discard();
    if (result.status != IoStatus::kWantRead) co_return result;
    const auto ready = co_await wait(Direction::kRead);
    if (ready != IoStatus::kOk) co_return IoResult{ready, 0};
  }
}

Task<IoResult> Transport::write_all(std::span<iovec> pieces, std::chrono::milliseconds idle) {
  std::size_t total = 0;
  pieces = consume(pieces, 0);
  while (!pieces.empty()) {
    if (write_.cancelled) co_return IoResult{IoStatus::kCancelled, total};
    const IoResult result = try_write(pieces);
    if (result.ok()) {
      total += result.bytes;
      pieces = consume(pieces, result.bytes);
      continue;
    }
    if (result.status != IoStatus::kWantRead && result.status != IoStatus::kWantWrite)
      co_return IoResult{result.status, total, result.error};
    arm_write(idle);
    const auto ready = co_await (
        result.status == IoStatus::kWantWrite ? wait(Direction::kWrite)
                                              : wait_across(Direction::kWrite)
    );
    if (ready != IoStatus::kOk) co_return IoResult{ready, total};
  }
  disarm_write();
  co_return IoResult{IoStatus::kOk, total};
}

IoStatus Transport::WaitAwaiter::await_resume() noexcept {
  Side& side = transport_.side(direction_);
  side.waiter = nullptr;
  side.across = false;
  if (side.cancelled || !transport_.socket_.is_open()) return IoStatus::kCancelled;
  if (side.timed_out) {
    side.timed_out = false;
    return IoStatus::kTimeout;
  }
  return IoStatus::kOk;
}

void Transport::on_ready(Events events) noexcept {
  read_.ready = read_.ready || events.readable;
  write_.ready = write_.ready || events.writable;
  ended_ = ended_ || events.ended;
  broken_ = broken_ || events.broken;
}

void Transport::wake(Direction direction) {
  // What it was woken for may have been seen to by an earlier wait.
  if (!side(direction).waiter || !may_go_on(direction)) return;
  std::exchange(side(direction).waiter, nullptr).resume();
}

void Transport::end_wait(Direction direction) {
  if (side(direction).waiter) loop_.wake_soon(socket_.get(), direction);
}

void Transport::on_deadline(const SideDeadline& passed) {
  const Direction direction = &passed == &read_deadline_ ? Direction::kRead : Direction::kWrite;
  side(direction).timed_out = true;
  end_wait(direction);
}

void Transport::limit_unacknowledged(std::chrono::milliseconds longest) noexcept {
  const auto milliseconds = static_cast<unsigned>(longest.count());
  ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, sizeof(milliseconds));
}

void Transport::cancel(Direction direction) noexcept {
  side(direction).cancelled = true;
  end_wait(direction);
}

void Transport::cancel() noexcept {
  cancel(Direction::kRead);
  cancel(Direction::kWrite);
}

void Transport::resume(Direction direction) noexcept {
  side(direction).cancelled = false;
  side(direction).timed_out = false;
}

bool Transport::has_buffered_input() const noexcept { return tls_ && tls_->has_buffered_input(); }

IoResult Transport::peek() noexcept {
  unsigned char first = 0;
  return peek(first);
}

IoResult Transport::peek(unsigned char& first) noexcept {
  const ssize_t got = ::recv(socket_.get(), &first, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got > 0) {
    // Also where the loop has not told of it yet: whoever reads next need not wait for that.
    read_.ready = true;
    return {IoStatus::kOk, 1};
  }
  if (got == 0) return {IoStatus::kEof, 0};
  const IoResult result = from_errno();
  if (result.status == IoStatus::kWantRead) read_.ready = ended_;
  return result;
}

void Transport::shutdown_send() noexcept {
  if (!socket_.is_open()) return;
  if (tls_) tls_->close_notify(false);
  ::shutdown(socket_.get(), SHUT_WR);
}

void Transport::finish() noexcept {
  if (!socket_.is_open()) return;
  if (tls_) tls_->close_notify(true);  // what ends the connection goes with it
  close();
}

void Transport::close() noexcept {
  read_deadline_.disarm();
  write_deadline_.disarm();
  tls_.reset();
  if (!socket_.is_open()) return;
  for (Side* side : {&read_, &write_})
    if (side->waiter) loop_.resume_soon(std::exchange(side->waiter, nullptr));
  loop_.forget(socket_.get());
  socket_.reset();
}

void Transport::abort() noexcept {
  if (!socket_.is_open()) return;
  const linger reset{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
  close();
}

std::span<iovec> consume(std::span<iovec> pieces, std::size_t bytes) noexcept {
  while (!pieces.empty()) {
    iovec& piece = pieces.front();
    if (bytes < piece.iov_len) {
      piece.iov_base = static_cast<char*>(piece.iov_base) + bytes;
      piece.iov_len -= bytes;
      return pieces;
    }
    bytes -= piece.iov_len;
    pieces = pieces.subspan(1);
  }
  return pieces;
}

}  // namespace cppx::proxy
