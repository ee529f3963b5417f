#pragma once

#include <openssl/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "tls/key_derivation.h"
#include "tls/traffic_secrets.h"

namespace cppx::tls {

/// What a record carries (RFC 8446 5.1).
enum class ContentType : std::uint8_t {
  kChangeCipherSpec = 20,
  kAlert = 21,
  kHandshake = 22,
  kApplicationData = 23,
};

constexpr std::size_t kRecordHeaderBytes = 5;
/// The longest content of a record (RFC 8446 5.1), the longest protected one (5.2) and that with
/// its header.
constexpr std::size_t kRecordContentMax = std::size_t{16} * 1024;
constexpr std::size_t kProtectedMax = kRecordContentMax + 256;
constexpr std::size_t kRecordMax = kRecordHeaderBytes + kProtectedMax;
/// What a record that cppx writes has besides its content: header, content type and tag; no
/// padding.
constexpr std::size_t kAeadTagBytes = 16;
constexpr std::size_t kSealedOverhead = kRecordHeaderBytes + 1 + kAeadTagBytes;

/// A cipher suite of TLS 1.3 (RFC 8446 B.4).
struct RecordSuite {
  std::uint16_t id;
  const char* cipher;
  SuiteHash hash;
  std::size_t key_bytes;
};

/// Null for a suite that cppx does not protect records with itself.
const RecordSuite* record_suite(std::uint16_t id) noexcept;

struct CipherContextDeleter {
  void operator()(EVP_CIPHER_CTX* context) const noexcept;
};

/// Protects the records of one direction of a TLS 1.3 connection (RFC 8446 5.2 to 5.5) with one of
/// OpenSSL's ciphers. Each record has a number of its own, which is what no two records sealed with
/// one key may share. Neither throws nor allocates but in create().
class RecordProtection {
 public:
  enum class Use : std::uint8_t { kSeal, kOpen };

  /// `sequence` records have been protected with this secret before. Nothing when out of memory or
  /// when OpenSSL lacks the cipher.
  static std::optional<RecordProtection> create(
      const RecordSuite& suite, const TrafficSecret& secret, std::uint64_t sequence, Use use
  ) noexcept;

  /// Writes one record with all of `parts`, together at most kRecordContentMax bytes, to `out`,
  /// which has room for kSealedOverhead more. Its size; 0 when OpenSSL failed: nothing may be
  /// sealed any more.
  std::size_t seal(ContentType type, std::span<const Bytes> parts, unsigned char* out) noexcept;

  struct Opened {
    ContentType type;
    Bytes content;  ///< Within what was opened.
  };
  enum class Failure : std::uint8_t { kBadRecordMac, kRecordOverflow, kNoContentType };
  /// Opens what follows `header` in place. Nothing, and why, for a record that the peer did not
  /// write so.
  std::optional<Opened> open(
      std::span<const unsigned char, kRecordHeaderBytes> header, MutableBytes payload,
      Failure& failure
  ) noexcept;

  /// Goes on with the next generation of keys (RFC 8446 7.2). False when OpenSSL failed.
  bool update() noexcept;

  /// How many records were sealed or opened with these keys.
  [[nodiscard]] std::uint64_t sequence() const noexcept { return sequence_; }

 private:
  static constexpr std::size_t kNonceBytes = 12;
  using Nonce = std::array<unsigned char, kNonceBytes>;

  RecordProtection(
      const RecordSuite& suite, const TrafficSecret& secret, std::uint64_t sequence
  ) noexcept
      : suite_(&suite), secret_(secret), sequence_(sequence) {}
  /// A null cipher is that of before.
  bool set_keys(const EVP_CIPHER* cipher) noexcept;
  bool begin(Bytes header) noexcept;

  const RecordSuite* suite_;
  std::unique_ptr<EVP_CIPHER_CTX, CipherContextDeleter> context_;
  TrafficSecret secret_;
  Nonce iv_{};
  std::uint64_t sequence_ = 0;
  Use use_ = Use::kSeal;
};

}  // namespace cppx::tls
