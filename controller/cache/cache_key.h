#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace cppx::controller {

/// The key that Secrets are encrypted by on disk: AES-256-GCM (NIST SP 800-38D).
class CacheKey {
 public:
  static constexpr std::size_t kBytes = 32;

  /// Of a file: its 32 bytes, or the SHA-256 of its text, without white space around it, when it is
  /// longer. kInvalidArgument when it is shorter; other errors as from reading it.
  static Result<CacheKey> read(const std::filesystem::path& file);

  explicit CacheKey(const std::array<unsigned char, kBytes>& key) : key_(key) {}
  CacheKey(const CacheKey&) = default;
  CacheKey& operator=(const CacheKey&) = default;
  ~CacheKey();  ///< Leaves nothing of it in memory.

  /// A fresh random nonce, the encrypted text and its tag, as bytes. `context` is not in it, but
  /// has to be the same when it is opened. Nothing when there is no randomness.
  [[nodiscard]] std::optional<std::string> seal(std::string_view text, std::string_view context)
      const;
  /// Nothing when it was sealed by another key or for another context, or was changed since.
  [[nodiscard]] std::optional<std::string> open(std::string_view sealed, std::string_view context)
      const;

 private:
  std::array<unsigned char, kBytes> key_;
};

/// SHA-256 (FIPS 180-4) of the bytes, as 64 hexadecimal digits.
std::string sha256_hex(std::string_view bytes);

}  // namespace cppx::controller
