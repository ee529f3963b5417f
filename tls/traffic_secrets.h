#pragma once

#include <array>
#include <cstddef>
#include <optional>

#include "tls/key_derivation.h"

namespace cppx::tls {

/// A secret of TLS 1.3's key schedule, as long as its hash. Wiped at the end.
class TrafficSecret {
 public:
  TrafficSecret() = default;
  /// Cut to the longest hash there is.
  explicit TrafficSecret(Bytes secret) noexcept;
  TrafficSecret(const TrafficSecret&) = default;
  TrafficSecret& operator=(const TrafficSecret&) = default;
  ~TrafficSecret();

  [[nodiscard]] Bytes bytes() const noexcept { return Bytes(octets_).first(size_); }
  [[nodiscard]] MutableBytes bytes() noexcept { return MutableBytes(octets_).first(size_); }

 private:
  static constexpr std::size_t kLongest = 48;  // SHA-384
  std::array<unsigned char, kLongest> octets_{};
  std::size_t size_ = 0;
};

/// What protects both directions of a TLS 1.3 connection after its handshake (RFC 8446 7.1:
/// client_application_traffic_secret_0 and that of the server), as far as it is derived by now.
struct TrafficSecrets {
  std::optional<TrafficSecret> client;
  std::optional<TrafficSecret> server;
};

/// While it lives, the traffic secrets that cppx's provider derives on this thread are kept in
/// `secrets` too: libssl tells them by a text for each secret of the handshake only, which costs a
/// twentieth of it. Around one call for one connection; not nested.
class TrafficSecretsScope {
 public:
  explicit TrafficSecretsScope(TrafficSecrets& secrets) noexcept;
  ~TrafficSecretsScope();
  TrafficSecretsScope(const TrafficSecretsScope&) = delete;
  TrafficSecretsScope& operator=(const TrafficSecretsScope&) = delete;
};

/// The provider tells that it has derived `secret` under `label`.
void note_secret(Bytes label, Bytes secret) noexcept;

}  // namespace cppx::tls
