#pragma once
// One client of the load generator: a connection, plain or TLS, that asks, reads the answer and
// says when it has all of it. What happens next is the mode's matter (load.cpp).

#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace cppx::bench {

struct Settings {
  int port = 0;
  std::string host;  ///< Host field and server name.
  std::string path = "/";
  bool tls = false;
  int tls_version = 0;          ///< TLS1_2_VERSION or TLS1_3_VERSION; 0: any.
  bool resume = false;          ///< Sessions of earlier connections are offered.
  std::size_t echo_bytes = 64;  ///< Payload of a WebSocket message.
};

/// Non-blocking, driven by the events of one epoll. Anything that is not as it should be ends the
/// client with a reason in `error()`.
class Client {
 public:
  enum class Progress : std::uint8_t { kBusy, kAnswered, kFailed };

  Client(const Settings& settings, SSL_CTX* context, int epoll, std::uint32_t number);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Connects anew and asks for the path, or for an upgrade to WebSocket.
  void start(bool websocket = false);
  /// Sends a WebSocket message on the open connection and waits for the same bytes.
  Progress echo();
  Progress handle_event();
  void close();

  [[nodiscard]] double started() const noexcept { return started_; }
  [[nodiscard]] std::uint32_t number() const noexcept { return number_; }
  [[nodiscard]] bool resumed() const noexcept { return resumed_; }
  [[nodiscard]] const char* error() const noexcept { return error_; }
  /// For the context's callback: takes over the reference.
  void keep_session(SSL_SESSION* session) noexcept;

 private:
  enum class State : std::uint8_t { kConnect, kHandshake, kWrite, kRead, kDone };

  Progress fail(const char* why) noexcept;
  Progress advance();
  Progress handshake();
  Progress send_request();
  Progress read_answer();
  void begin_tls();
  /// Whether `input_` holds all of the answer; sets error_ if it is a wrong one.
  bool complete() noexcept;
  void wait_for(std::uint32_t events);
  /// As of read and write: -1 with errno EAGAIN when it would block.
  long read_some(char* out, std::size_t size) noexcept;
  long write_some(const char* data, std::size_t size) noexcept;
  long tls_result(int result) noexcept;

  const Settings& settings_;
  SSL_CTX* context_;
  int epoll_;
  std::uint32_t number_;
  State state_ = State::kDone;
  int fd_ = -1;
  SSL* ssl_ = nullptr;
  SSL_SESSION* session_ = nullptr;
  bool websocket_ = false;
  bool resumed_ = false;
  std::uint32_t waits_for_ = 0;
  std::string output_;
  std::size_t sent_ = 0;
  std::string input_;
  std::size_t echo_expected_ = 0;  // bytes of the echo; 0: a response is expected
  double started_ = 0;
  const char* error_ = "";
};

/// Monotonic seconds.
double now();

}  // namespace cppx::bench
