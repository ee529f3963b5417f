#pragma once

#include <compare>
#include <cstdint>
#include <string_view>

namespace cppx::routing {

/// A 128-bit key.
struct SipKey {
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  auto operator<=>(const SipKey&) const = default;
};

/// SipHash-2-4 (Aumasson, Bernstein 2012) of bytes that come in pieces: a keyed 64-bit hash, the
/// same on every machine, from which neither key nor bytes can be told.
class SipHash {
 public:
  explicit SipHash(const SipKey& key) noexcept;

  void update(std::string_view bytes) noexcept {
    for (const char c : bytes) push(static_cast<unsigned char>(c));
  }
  void push(std::uint8_t byte) noexcept;
  [[nodiscard]] std::uint64_t finish() const noexcept;

 private:
  void round() noexcept;
  void compress(std::uint64_t word) noexcept;

  std::uint64_t v0_;
  std::uint64_t v1_;
  std::uint64_t v2_;
  std::uint64_t v3_;
  std::uint64_t tail_ = 0;  // bytes that do not make a word yet
  std::uint64_t size_ = 0;
};

inline std::uint64_t sip_hash(const SipKey& key, std::string_view bytes) noexcept {
  SipHash hash(key);
  hash.update(bytes);
  return hash.finish();
}

}  // namespace cppx::routing
