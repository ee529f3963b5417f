#include "proxy/transport/transport.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace cppx::proxy {
namespace {

namespace asio = boost::asio;

// One TLS record: pieces are gathered into one, so that a head and a short body are not two
// records.
constexpr std::size_t kRecord = 16 * 1024;

IoResult from_errno() noexcept {
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {IoStatus::kWantRead, 0};
  return {IoStatus::kError, 0, errno};
}

}  // namespace

Transport::Transport(asio::io_context& io, TimerWheel& wheel)
    : socket_(io.get_executor()),
      read_deadline_(wheel, *this, Direction::kRead),
      write_deadline_(wheel, *this, Direction::kWrite) {}

Transport::~Transport() { close(); }

boost::system::error_code Transport::assign(int socket, bool is_v6) {
  boost::system::error_code error;
  socket_.assign(is_v6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4(), socket, error);
  // Asio must know that the descriptor is non-blocking already; it would set it again otherwise.
  if (!error) socket_.native_non_blocking(true, error);
  return error;
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
      ERR_clear_error();
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
  ERR_clear_error();
  const int returned = SSL_do_handshake(ssl_.get());
  if (returned == 1) return {};
  return tls_result(returned);
}

IoResult Transport::try_read(std::span<char> into) noexcept {
  if (ssl_) {
    ERR_clear_error();
    std::size_t got = 0;
    const int returned = SSL_read_ex(ssl_.get(), into.data(), into.size(), &got);
    if (returned == 1) return {IoStatus::kOk, got};
    return tls_result(returned);
  }
  const ssize_t got = ::recv(socket_.native_handle(), into.data(), into.size(), 0);
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
  ERR_clear_error();
  std::size_t written = 0;
  const int returned = SSL_write_ex(ssl_.get(), data, size, &written);
  if (returned == 1) return {IoStatus::kOk, written};
  return tls_result(returned);
}

IoResult Transport::try_write(std::span<const iovec> pieces) noexcept {
  if (ssl_) return try_write_tls(pieces);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());  // NOLINT: sendmsg does not write to it
  message.msg_iovlen = pieces.size();
  const ssize_t sent = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL);
  if (sent >= 0) return {IoStatus::kOk, static_cast<std::size_t>(sent)};
  IoResult result = from_errno();
  if (result.status == IoStatus::kWantRead) result.status = IoStatus::kWantWrite;
  return result;
}

Task<IoResult> Transport::read_some(std::span<char> into) {
  for (;;) {
    const IoResult result = try_read(into);
    if (result.status != IoStatus::kWantRead && result.status != IoStatus::kWantWrite)
      co_return result;
    const auto ready =
        co_await wait(result.status == IoStatus::kWantRead ? Direction::kRead : Direction::kWrite);
    if (ready != IoStatus::kOk) co_return IoResult{ready, 0};
  }
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

bool Transport::WaitAwaiter::await_ready() const noexcept {
  const Side& side = transport_.side(direction_);
  return side.cancelled || side.timed_out || !transport_.socket_.is_open();
}

void Transport::WaitAwaiter::start() {
  const auto type =
      direction_ == Direction::kRead ? asio::socket_base::wait_read : asio::socket_base::wait_write;
  transport_.socket_.async_wait(type, [this](boost::system::error_code error) {
    Side& side = transport_.side(direction_);
    // The socket was cancelled for the sake of the other direction: go on waiting.
    if (error == asio::error::operation_aborted && transport_.socket_.is_open() &&
        !side.cancelled && !side.timed_out) {
      start();
      return;
    }
    error_ = error;
    side.waiting = false;
    waiter_.resume();
  });
}

void Transport::WaitAwaiter::await_suspend(std::coroutine_handle<> waiter) {
  waiter_ = waiter;
  transport_.side(direction_).waiting = true;
  start();
}

IoStatus Transport::WaitAwaiter::await_resume() noexcept {
  Side& side = transport_.side(direction_);
  if (side.cancelled || !transport_.socket_.is_open()) return IoStatus::kCancelled;
  if (side.timed_out) {
    side.timed_out = false;
    return IoStatus::kTimeout;
  }
  return error_ ? IoStatus::kError : IoStatus::kOk;
}

void Transport::on_deadline(Direction direction) noexcept {
  side(direction).timed_out = true;
  if (side(direction).waiting) wake_waiters();
}

void Transport::wake_waiters() noexcept {
  boost::system::error_code ignored;
  socket_.cancel(ignored);
}

void Transport::cancel(Direction direction) noexcept {
  side(direction).cancelled = true;
  if (side(direction).waiting) wake_waiters();
}

void Transport::cancel() noexcept {
  read_.cancelled = true;
  write_.cancelled = true;
  if (read_.waiting || write_.waiting) wake_waiters();
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
  const ssize_t got = ::recv(socket_.native_handle(), &first, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got > 0) return {IoStatus::kOk, 1};
  if (got == 0) return {IoStatus::kEof, 0};
  return from_errno();
}

void Transport::shutdown_send() noexcept {
  if (!socket_.is_open()) return;
  if (ssl_ && SSL_is_init_finished(ssl_.get()) == 1) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
  ::shutdown(socket_.native_handle(), SHUT_WR);
}

void Transport::close() noexcept {
  read_deadline_.disarm();
  write_deadline_.disarm();
  ssl_.reset();
  boost::system::error_code ignored;
  socket_.close(ignored);
}

void Transport::abort() noexcept {
  if (!socket_.is_open()) return;
  const linger reset{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
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
