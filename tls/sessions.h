#pragma once

#include <openssl/types.h>

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>

#include "tls/server_context.h"

namespace cppx::tls {

/// The sessions of one ServerContext, which lie in the cache of its SSL_CTX. The ID of each says
/// which context has made it, for a client that comes back to another one.
class Sessions {
 public:
  /// `context` takes its IDs from here: both have to live equally long, at the same address.
  Sessions(SSL_CTX* context, ContextNumber number) noexcept;
  Sessions(const Sessions&) = delete;
  Sessions& operator=(const Sessions&) = delete;

  /// A new ID; false when OpenSSL has no random numbers.
  bool next_id(std::span<unsigned char> id) noexcept;

  /// Within a ClientHello: what it wants to resume, if that was made elsewhere and is not here.
  [[nodiscard]] std::optional<SessionElsewhere> elsewhere(SSL* hello) const noexcept;
  [[nodiscard]] SharedSession copy_of(const SessionKey& key) const;
  void keep(const SharedSession& session) noexcept;

 private:
  /// Borrowed; null without it.
  [[nodiscard]] ssl_session_st* find(const SessionKey& key) const noexcept;

  static constexpr std::size_t kDrawn = 32;

  SSL_CTX* context_;
  ContextNumber number_;
  // IDs are no secret. OpenSSL's own way draws each alone, and 1 % of a handshake is that.
  std::array<unsigned char, kDrawn * SessionKey::kIdBytes> drawn_{};
  std::span<const unsigned char> left_;
};

}  // namespace cppx::tls
