#pragma once

#include <openssl/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/error.h"

struct ssl_session_st;

namespace cppx::tls {

class SniTable;

/// A session of OpenSSL's (SSL_SESSION).
using SharedSession = std::shared_ptr<ssl_session_st>;

struct SslDeleter {
  void operator()(SSL* ssl) const noexcept;
};
using SslPtr = std::unique_ptr<SSL, SslDeleter>;

/// Strength below which a key or signature is refused, here and by Certificate::from_pem: RSA of
/// 2048 bits, SHA-256 (OpenSSL's security level 2).
inline constexpr int kSecurityBits = 112;

/// What a server knows a session by: its session ID (RFC 5246 7.4.1.2), which with TLS 1.3 is the
/// ticket (RFC 8446 4.6.1).
struct SessionKey {
  static constexpr std::size_t kIdBytes = 32;
  std::array<unsigned char, kIdBytes> id{};
  int version = 0;  ///< TLS1_2_VERSION or TLS1_3_VERSION.
};

/// A session that a client wants to resume and another ServerContext has made.
struct SessionElsewhere {
  SessionKey key;
  std::uint32_t maker = 0;
  bool asked_for = false;  ///< Told of once; the handshake goes on without it if it did not come.
};

/// What one handshake is served by; must outlive it, at the same address.
struct HandshakeOptions {
  const SniTable& certificates;
  bool http2 = false;  ///< Offer h2 (RFC 9113 3.2) before http/1.1.
  /// Filled in where a handshake says kWantSession; null: it never does.
  SessionElsewhere* elsewhere = nullptr;
};

/// Which of several ServerContexts that know each other's sessions by their maker.
struct ContextNumber {
  std::uint32_t index = 0;
  std::uint32_t count = 1;
};

/// Sessions that a context keeps at most; and at least, however little memory there is.
inline constexpr std::size_t kMostSessions = 20480;
inline constexpr std::size_t kLeastSessions = 512;

/// How many each of `contexts` may keep in a process that may take `limit_bytes` of memory (0:
/// any).
std::size_t sessions_within(std::uint64_t limit_bytes, std::uint32_t contexts) noexcept;

/// The server side of TLS for one worker: protocol versions (1.2, 1.3), ciphers, ALPN, and the
/// certificate by server name. Sessions are cached for resumption (under the same name and
/// certificate only), tickets are off. Belongs to one thread; holds nothing that depends on a
/// snapshot.
class ServerContext {
 public:
  /// `sessions`: how many are kept at most; the oldest make room for new ones.
  static Result<std::unique_ptr<ServerContext>> create(
      ContextNumber number = {}, std::size_t sessions = kMostSessions
  );
  ~ServerContext();
  ServerContext(const ServerContext&) = delete;
  ServerContext& operator=(const ServerContext&) = delete;

  /// A server-side SSL, to be attached to what it reads and writes (byte_stream.h). Null when out
  /// of memory.
  ///
  /// OpenSSL reads ahead: call SSL_read until it wants more before waiting for the socket. The
  /// SSL's app data is taken.
  SslPtr accept(const HandshakeOptions& options);

  /// A copy of a session that is here, for another context to keep(); null without it.
  [[nodiscard]] SharedSession copy_of(const SessionKey& key) const;
  /// From now on it can be resumed here. Null: nothing.
  void keep(const SharedSession& session);

  /// How many are kept now, those included that are over and still there.
  [[nodiscard]] std::size_t sessions() const noexcept;
  /// Frees those that are over, which OpenSSL itself does with every 255th handshake only. Half a
  /// microsecond for each of them.
  void forget_ended_sessions() noexcept;
  /// Frees all, for the memory that they take: up to 14 ms for kMostSessions. Clients that come
  /// back have a full handshake. Connections go on.
  void forget_sessions() noexcept;

 private:
  ServerContext() = default;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cppx::tls
