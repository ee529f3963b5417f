#pragma once

#include <openssl/types.h>

#include <cstdint>
#include <limits>

namespace cppx::tls {

/// Bounds what OpenSSL takes in in one SSL_read: records that bring no data are answered or dropped
/// there, and it goes on for as long as there are more. Belongs to one connection; its handshake is
/// not bounded.
class RecordLimit {
 public:
  /// `ssl` tells of its records here from now on; this must outlive it, at the same address.
  void watch(SSL* ssl) noexcept;
  /// Before each SSL_read.
  void start_read() noexcept;
  /// Whether OpenSSL may be given nothing to read any more.
  [[nodiscard]] bool exceeded() const noexcept { return left_ == 0; }

  /// `renegotiates`: the record would begin another handshake, if it came after the first one.
  void on_record(bool renegotiates) noexcept;

 private:
  static constexpr std::uint32_t kHandshake = std::numeric_limits<std::uint32_t>::max();
  std::uint32_t left_ = kHandshake;
};

}  // namespace cppx::tls
