#pragma once
// A TLS client in the same thread as the server under test, over a socket pair.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/tls/test_pki.h"
#include "tls/server_context.h"
#include "tls/sni_table.h"

namespace cppx::tls::test {

struct ClientOptions {
  std::optional<std::string> server_name = std::nullopt;  // no SNI without it
  std::vector<std::string> alpn = {};
  int min_version = TLS1_2_VERSION;
  int max_version = TLS1_3_VERSION;
  SSL_SESSION* session = nullptr;         // to resume
  SSL_SESSION* late_session = nullptr;    // offered in a second ClientHello only
  std::string signature_algorithms = {};  // OpenSSL's defaults without it
  std::string ciphers = {};               // of TLS 1.2
  std::string server_groups = {};         // set on the server: one that the client did not guess
  std::string client_groups = {};         // OpenSSL's defaults without it
  // Called when the handshake waits for a session of another context; without it there is none.
  std::function<void(const SessionElsewhere&)> on_session_elsewhere = {};
  bool server_http2 = false;  // the server offers h2
};

struct SessionDeleter {
  void operator()(SSL_SESSION* session) const noexcept { SSL_SESSION_free(session); }
};
using SessionPtr = std::unique_ptr<SSL_SESSION, SessionDeleter>;

/// Both ends of a connection; the handshake has been tried when the constructor is left.
class Connection {
 public:
  Connection(ServerContext& context, const SniTable& table, ClientOptions options);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] bool established() const { return established_; }
  /// Common name of the certificate that the client was shown.
  [[nodiscard]] std::string shown_name() const;
  [[nodiscard]] std::vector<std::string> shown_chain() const;
  [[nodiscard]] std::string version() const { return SSL_get_version(client_); }
  [[nodiscard]] std::string cipher() const { return SSL_get_cipher_name(client_); }
  [[nodiscard]] std::string alpn() const;
  [[nodiscard]] bool resumed() const { return SSL_session_reused(client_) == 1; }
  /// Reason code of the client's failure: SSL_R_* (alerts are SSL_R_..._ALERT_...).
  [[nodiscard]] int client_error() const { return client_error_; }
  [[nodiscard]] SSL* server() const { return server_.get(); }
  [[nodiscard]] SSL* client() const { return client_; }

  /// Whether a line sent by each end reaches the other.
  bool echo();
  /// The client's socket goes away without a word of TLS.
  void drop_client();
  /// Closes in order and gives the session that the client keeps.
  SessionPtr close_and_take_session();

 private:
  void shake_hands(SSL_SESSION* late_session);

  SessionElsewhere elsewhere_;
  std::function<void(const SessionElsewhere&)> on_session_elsewhere_;
  HandshakeOptions handshake_;

  SslCtxPtr client_context_;
  int sockets_[2] = {-1, -1};
  SslPtr server_;
  SSL* client_ = nullptr;
  bool established_ = false;
  int client_error_ = 0;
};

/// A self-signed P-256 certificate whose common name is `name`.
std::shared_ptr<const Certificate> certificate_named(
    std::string_view name, KeyKind kind = KeyKind::kP256
);

}  // namespace cppx::tls::test
