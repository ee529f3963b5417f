#include "bench/native/client.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <time.h>

#include <cerrno>
#include <charconv>
#include <string_view>

#include "bench/native/sockets.h"

#ifndef IP_BIND_ADDRESS_NO_PORT
#error "this program needs IP_BIND_ADDRESS_NO_PORT (Linux)"
#endif

namespace cppx::bench {
namespace {

constexpr std::uint32_t kSourceAddresses = 64;

char scratch[64 * 1024];

// Masked with zeros, so that the bytes which come back are those that were sent.
std::string websocket_message(std::size_t size) {
  std::string frame = "\x82";
  if (size < 126) {
    frame += static_cast<char>(0x80 | size);
  } else {
    frame += static_cast<char>(0x80 | 126);
    frame += static_cast<char>(size >> 8);
    frame += static_cast<char>(size & 0xff);
  }
  frame.append(4, '\0');
  return frame + std::string(size, 'x');
}

}  // namespace

double now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

Client::Client(const Settings& settings, SSL_CTX* context, int epoll, std::uint32_t number)
    : settings_(settings), context_(context), epoll_(epoll), number_(number) {}

Client::~Client() {
  close();
  SSL_SESSION_free(session_);
}

void Client::close() {
  if (ssl_ != nullptr) {
    // close_notify: without it OpenSSL forgets the session.
    if (SSL_is_init_finished(ssl_) != 0) SSL_shutdown(ssl_);
    SSL_free(ssl_);
    ssl_ = nullptr;
  }
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void Client::keep_session(SSL_SESSION* session) noexcept {
  SSL_SESSION_free(session_);
  session_ = session;
}

Client::Progress Client::fail(const char* why) noexcept {
  error_ = why;
  close();
  state_ = State::kDone;
  return Progress::kFailed;
}

void Client::start(bool websocket) {
  close();
  started_ = now();
  websocket_ = websocket;
  echo_expected_ = 0;
  input_.clear();
  sent_ = 0;
  output_ = "GET " + settings_.path + " HTTP/1.1\r\nHost: " + settings_.host + "\r\n";
  if (websocket)
    output_ +=
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  output_ += "\r\n";

  fd_ = must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
  no_delay(fd_);
  // Many short connections of one address would run out of ports: each has its 127.0.0.x.
  sockaddr_in source = loopback(0);
  source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + number_ % kSourceAddresses);
  const int on = 1;
  setsockopt(fd_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
  must(bind(fd_, reinterpret_cast<const sockaddr*>(&source), sizeof(source)), "bind");
  const sockaddr_in address = loopback(settings_.port);
  state_ = State::kConnect;
  // What comes of it tells the first event.
  connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  waits_for_ = EPOLLOUT;
  watch(epoll_, EPOLL_CTL_ADD, fd_, waits_for_, this);
}

Client::Progress Client::echo() {
  output_ = websocket_message(settings_.echo_bytes);
  echo_expected_ = output_.size();
  input_.clear();
  sent_ = 0;
  started_ = now();
  state_ = State::kWrite;
  return advance();
}

Client::Progress Client::handle_event() {
  if (state_ == State::kDone) return fail("the connection ended while it was idle");
  if (state_ == State::kConnect) {
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return fail("cannot connect");
    state_ = settings_.tls ? State::kHandshake : State::kWrite;
    if (settings_.tls) begin_tls();
  }
  return advance();
}

void Client::begin_tls() {
  ssl_ = SSL_new(context_);
  SSL_set_fd(ssl_, fd_);
  SSL_set_app_data(ssl_, reinterpret_cast<char*>(this));
  SSL_set_tlsext_host_name(ssl_, settings_.host.c_str());
  if (settings_.resume && session_ != nullptr) SSL_set_session(ssl_, session_);
}

Client::Progress Client::advance() {
  Progress progress = Progress::kBusy;
  if (state_ == State::kHandshake) progress = handshake();
  if (state_ == State::kWrite) progress = send_request();
  if (state_ == State::kRead) progress = read_answer();
  return progress;
}

Client::Progress Client::handshake() {
  if (tls_result(SSL_connect(ssl_)) < 0) {
    if (errno != EAGAIN) return fail("TLS handshake failed");
    wait_for(SSL_want_write(ssl_) ? EPOLLOUT : EPOLLIN);
    return Progress::kBusy;
  }
  resumed_ = SSL_session_reused(ssl_) != 0;
  state_ = State::kWrite;
  return Progress::kBusy;
}

Client::Progress Client::send_request() {
  while (sent_ < output_.size()) {
    const long sent = write_some(output_.data() + sent_, output_.size() - sent_);
    if (sent < 0) {
      if (errno != EAGAIN) return fail("cannot send");
      wait_for(EPOLLOUT);
      return Progress::kBusy;
    }
    sent_ += static_cast<std::size_t>(sent);
  }
  state_ = State::kRead;
  wait_for(EPOLLIN);
  return Progress::kBusy;
}

Client::Progress Client::read_answer() {
  for (;;) {
    const long got = read_some(scratch, sizeof(scratch));
    if (got < 0) return errno == EAGAIN ? Progress::kBusy : fail("cannot read");
    if (got == 0) return fail("the connection ended before the answer");
    input_.append(scratch, static_cast<std::size_t>(got));
    const bool all = complete();
    if (*error_ != '\0') return fail(error_);
    if (all) {
      state_ = State::kDone;
      return Progress::kAnswered;
    }
  }
}

bool Client::complete() noexcept {
  const std::string_view input = input_;
  if (echo_expected_ != 0) {
    if (input.size() > echo_expected_ || output_.compare(0, input.size(), input) != 0)
      error_ = "the echo differs";
    return input.size() == echo_expected_;
  }
  const std::size_t end = input.find("\r\n\r\n");
  if (end == std::string_view::npos) return false;
  if (!input.starts_with(websocket_ ? "HTTP/1.1 101" : "HTTP/1.1 200")) {
    error_ = websocket_ ? "status is not 101" : "status is not 200";
    return false;
  }
  if (websocket_) return true;
  std::size_t field = input.find("\r\nContent-Length: ");
  if (field > end) field = input.find("\r\ncontent-length: ");
  if (field > end) {
    error_ = "no Content-Length";
    return false;
  }
  std::size_t length = 0;
  std::from_chars(input.data() + field + 18, input.data() + end, length);
  return input.size() >= end + 4 + length;
}

void Client::wait_for(std::uint32_t events) {
  if (events == waits_for_) return;
  waits_for_ = events;
  watch(epoll_, EPOLL_CTL_MOD, fd_, events, this);
}

long Client::tls_result(int result) noexcept {
  if (result > 0) return result;
  const int error = SSL_get_error(ssl_, result);
  ERR_clear_error();
  if (error == SSL_ERROR_ZERO_RETURN) return 0;
  const bool blocked = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
  errno = blocked ? EAGAIN : EIO;
  return -1;
}

long Client::read_some(char* out, std::size_t size) noexcept {
  if (ssl_ != nullptr) return tls_result(SSL_read(ssl_, out, static_cast<int>(size)));
  return ::read(fd_, out, size);
}

long Client::write_some(const char* data, std::size_t size) noexcept {
  if (ssl_ != nullptr) return tls_result(SSL_write(ssl_, data, static_cast<int>(size)));
  return ::send(fd_, data, size, MSG_NOSIGNAL);
}

}  // namespace cppx::bench
