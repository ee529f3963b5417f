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
  /// Records that one SSL_read may take in. OpenSSL bears with 32 that are empty; session tickets
  /// and new keys are no abuse in such a number either.
  static constexpr std::uint32_t kRecordsPerRead = 64;

  /// Before each SSL_read.
  void start_read() noexcept;
  /// Whether OpenSSL may be given nothing to read any more.
  [[nodiscard]] bool exceeded() const noexcept { return exceeded_; }

  /// `renegotiates`: the record would begin another handshake, if it came after the first one.
  void on_record(bool renegotiates) noexcept;

 private:
  static constexpr std::uint32_t kHandshake = std::numeric_limits<std::uint32_t>::max();
  std::uint32_t left_ = kHandshake;
  bool exceeded_ = false;
};

}  // namespace cppx::tls
