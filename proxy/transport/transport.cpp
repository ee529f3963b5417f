#include "proxy/transport/transport.h"

#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace cppx::proxy {
namespace {

// One TLS record: pieces are gathered into one, so that a head and a short body are not two
// records.
constexpr std::size_t kRecord = 16 * 1024;

std::size_t total_bytes(std::span<const iovec> pieces) noexcept {
  std::size_t total = 0;
  for (const iovec& piece : pieces) total += piece.iov_len;
  return total;
}

/// Whether all that is left for a server to send in its handshake are session tickets, which nobody
/// waits for (RFC 8446 4.6.1): its Finished is out.
bool only_tickets_left(SSL* ssl) noexcept {
  unsigned char first = 0;
  return SSL_is_server(ssl) == 1 && SSL_version(ssl) == TLS1_3_VERSION &&
         SSL_get_finished(ssl, &first, sizeof(first)) != 0;
}

IoResult from_errno() noexcept {
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {IoStatus::kWantRead, 0};
  return {IoStatus::kError, 0, errno};
}

}  // namespace

Transport::Transport(EventLoop& loop, TimerWheel& wheel)
    : loop_(loop),
      read_deadline_(wheel, *this, Direction::kRead),
      write_deadline_(wheel, *this, Direction::kWrite) {}

Transport::~Transport() { close(); }

bool Transport::assign(Descriptor socket) {
  if (!loop_.add(socket.get(), *this)) return false;
  socket_ = std::move(socket);
  return true;
}

bool Transport::start_tls(tls::SslPtr ssl) noexcept {
  ssl_ = std::move(ssl);
  return tls::attach(ssl_.get(), *this);
}

ssize_t Transport::receive(char* into, std::size_t size) noexcept {
  // TLS asks once more than there is.
  if (ssl_ && !read_.ready) {
    errno = EAGAIN;
    return -1;
  }
  const ssize_t got = ::recv(socket_.get(), into, size, 0);
  // Less than asked for is all there was (epoll(7)).
  if (got < static_cast<ssize_t>(size)) read_.ready = ended_;
  return got;
}

ssize_t Transport::send(const char* data, std::size_t size) noexcept {
  const ssize_t sent = ::send(socket_.get(), data, size, MSG_NOSIGNAL | (more_ ? MSG_MORE : 0));
  if (sent < static_cast<ssize_t>(size)) write_.ready = false;
  return sent;
}

IoResult Transport::tls_result(int returned) noexcept {
  const int reason = SSL_get_error(ssl_.get(), returned);
  switch (reason) {
    case SSL_ERROR_WANT_READ:
      return {IoStatus::kWantRead, 0};
    case SSL_ERROR_WANT_WRITE:
      return {IoStatus::kWantWrite, 0};
    case SSL_ERROR_ZERO_RETURN:
      return {IoStatus::kEof, 0};
    default:
      tls::forget_errors();
      return {IoStatus::kError, 0};
  }
}

std::string_view Transport::alpn() const noexcept {
  if (!ssl_) return {};
  const unsigned char* protocol = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &protocol, &size);
  return {reinterpret_cast<const char*>(protocol), size};
}

std::string_view Transport::tls_protocol() const noexcept { return SSL_get_version(ssl_.get()); }

std::string_view Transport::tls_cipher() const noexcept {
  const char* name = SSL_get_cipher_name(ssl_.get());
  return name == nullptr ? std::string_view() : name;
}

std::string_view Transport::tls_server_name() const noexcept {
  const char* name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
  return name == nullptr ? std::string_view() : name;
}

IoResult Transport::try_handshake() noexcept {
  // The kernel may keep tickets back (for 200 ms at most) to send them with the first response.
  more_ = only_tickets_left(ssl_.get());
  tls::forget_errors();
  const int returned = SSL_do_handshake(ssl_.get());
  more_ = false;
  if (returned == 1) return {};
  return tls_result(returned);
}

IoResult Transport::try_read(std::span<char> into) noexcept {
  if (ssl_) {
    tls::forget_errors();
    std::size_t got = 0;
    const int returned = SSL_read_ex(ssl_.get(), into.data(), into.size(), &got);
    if (returned == 1) return {IoStatus::kOk, got};
    return tls_result(returned);
  }
  const ssize_t got = receive(into.data(), into.size());
  if (got > 0) return {IoStatus::kOk, static_cast<std::size_t>(got)};
  if (got == 0) return {IoStatus::kEof, 0};
  return from_errno();
}

IoResult Transport::try_write_tls(std::span<const iovec> pieces) noexcept {
  const void* data = pieces.front().iov_base;
  std::size_t size = pieces.front().iov_len;
  std::array<char, kRecord> record;  // not initialised: filled below as far as it is used
  if (pieces.size() > 1 && size < kRecord) {
    size = 0;
    for (const iovec& piece : pieces) {
      const std::size_t part = std::min(piece.iov_len, record.size() - size);
      std::memcpy(record.data() + size, piece.iov_base, part);
      size += part;
      if (size == record.size()) break;
    }
    data = record.data();
  }
  // A record follows at once: the kernel is to send both together.
  more_ = total_bytes(pieces) > std::min(size, kRecord);
  tls::forget_errors();
  std::size_t written = 0;
  const int returned = SSL_write_ex(ssl_.get(), data, size, &written);
  more_ = false;
  if (returned == 1) return {IoStatus::kOk, written};
  return tls_result(returned);
}

IoResult Transport::try_write(std::span<const iovec> pieces) noexcept {
  if (ssl_) return try_write_tls(pieces);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());  // NOLINT: sendmsg does not write to it
  message.msg_iovlen = pieces.size();
  const ssize_t sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
  if (sent >= 0) return {IoStatus::kOk, static_cast<std::size_t>(sent)};
  IoResult result = from_errno();
  if (result.status == IoStatus::kWantRead) {
    result.status = IoStatus::kWantWrite;
    write_.ready = false;
  }
  return result;
}

Task<IoResult> Transport::read_some(std::span<char> into) {
  IoResult result{IoStatus::kWantRead, 0};
  // Where nothing is known to be there trying is in vain.
  if (!silent()) result = try_read(into);
  while (result.status == IoStatus::kWantRead || result.status == IoStatus::kWantWrite) {
    const auto ready =
        co_await wait(result.status == IoStatus::kWantRead ? Direction::kRead : Direction::kWrite);
    if (ready != IoStatus::kOk) co_return IoResult{ready, 0};
    result = try_read(into);
  }
  co_return result;
}

Task<IoResult> Transport::write_all(std::span<iovec> pieces, std::chrono::milliseconds idle) {
  std::size_t total = 0;
  pieces = consume(pieces, 0);
  while (!pieces.empty()) {
    const IoResult result = try_write(pieces);
    if (result.ok()) {
      total += result.bytes;
      pieces = consume(pieces, result.bytes);
      continue;
    }
    if (result.status != IoStatus::kWantRead && result.status != IoStatus::kWantWrite)
      co_return IoResult{result.status, total, result.error};
    arm_write(idle);
    const auto ready =
        co_await wait(result.status == IoStatus::kWantRead ? Direction::kRead : Direction::kWrite);
    if (ready != IoStatus::kOk) co_return IoResult{ready, total};
  }
  disarm_write();
  co_return IoResult{IoStatus::kOk, total};
}

IoStatus Transport::WaitAwaiter::await_resume() noexcept {
  Side& side = transport_.side(direction_);
  side.waiter = nullptr;
  if (side.cancelled || !transport_.socket_.is_open()) return IoStatus::kCancelled;
  if (side.timed_out) {
    side.timed_out = false;
    return IoStatus::kTimeout;
  }
  return IoStatus::kOk;
}

void Transport::on_ready(bool readable, bool writable, bool ended) noexcept {
  read_.ready = read_.ready || readable;
  write_.ready = write_.ready || writable;
  ended_ = ended_ || ended;
}

void Transport::wake(Direction direction) {
  // What it was woken for may have been seen to by an earlier wait.
  if (!side(direction).waiter || !may_go_on(direction)) return;
  std::exchange(side(direction).waiter, nullptr).resume();
}

void Transport::end_wait(Direction direction) {
  if (side(direction).waiter) loop_.wake_soon(socket_.get(), direction);
}

void Transport::on_deadline(Direction direction) {
  side(direction).timed_out = true;
  end_wait(direction);
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

bool Transport::has_buffered_input() const noexcept {
  return ssl_ && SSL_has_pending(ssl_.get()) == 1;
}

IoResult Transport::peek() noexcept {
  unsigned char first = 0;
  return peek(first);
}

IoResult Transport::peek(unsigned char& first) noexcept {
  const ssize_t got = ::recv(socket_.get(), &first, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got > 0) return {IoStatus::kOk, 1};
  if (got == 0) return {IoStatus::kEof, 0};
  const IoResult result = from_errno();
  if (result.status == IoStatus::kWantRead) read_.ready = ended_;
  return result;
}

void Transport::shutdown_send() noexcept {
  if (!socket_.is_open()) return;
  if (ssl_ && SSL_is_init_finished(ssl_.get()) == 1) {
    tls::forget_errors();
    SSL_shutdown(ssl_.get());
    tls::forget_errors();
  }
  ::shutdown(socket_.get(), SHUT_WR);
}

void Transport::finish() noexcept {
  if (!socket_.is_open()) return;
  if (ssl_ && SSL_is_init_finished(ssl_.get()) == 1) {
    more_ = true;  // what ends the connection goes with it
    tls::forget_errors();
    SSL_shutdown(ssl_.get());
    tls::forget_errors();
  }
  close();
}

void Transport::close() noexcept {
  read_deadline_.disarm();
  write_deadline_.disarm();
  ssl_.reset();
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
