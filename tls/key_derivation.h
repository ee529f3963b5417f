#pragma once
// The key derivation of TLS 1.2 and 1.3, and a digest, on OpenSSL's SHA-2: without the look-ups,
// contexts and copies that make most of what it costs in OpenSSL 3.0 (docs/performance.md). No
// allocation, no state; what is secret is wiped from the stack.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace cppx::tls {

using Bytes = std::span<const unsigned char>;
using MutableBytes = std::span<unsigned char>;

inline Bytes bytes_of(std::string_view text) noexcept {
  return {reinterpret_cast<const unsigned char*>(text.data()), text.size()};
}

/// The hash of a cipher suite: each suite that OpenSSL has for TLS 1.3, and each of TLS 1.2 with
/// authenticated encryption, has one of these.
enum class SuiteHash : std::uint8_t { kSha256, kSha384 };

/// By any of OpenSSL's names for it ("SHA2-256", "SHA256", "SHA-256"), in any case.
std::optional<SuiteHash> suite_hash(std::string_view name) noexcept;

std::size_t size_of(SuiteHash hash) noexcept;

/// HKDF-Expand-Label (RFC 8446 7.1); the label is `prefix` ("tls13 ") and `label`. False when a
/// length does not fit: the label's and the context's are one octet each, and `out` is at most 255
/// times the hash.
bool hkdf_expand_label(
    SuiteHash hash, Bytes secret, Bytes prefix, Bytes label, Bytes context, MutableBytes out
) noexcept;

/// The next secret of TLS 1.3's key schedule (RFC 8446 7.1): HKDF-Extract of `key` with
/// Derive-Secret(previous, label, "") as its salt. Without a previous secret the salt is zeros,
/// without a key the key is. False when `out` is not as long as the hash or the label too long.
bool hkdf_next_secret(
    SuiteHash hash, std::optional<Bytes> previous, std::optional<Bytes> key, Bytes prefix,
    Bytes label, MutableBytes out
) noexcept;

/// The PRF of TLS 1.2 (RFC 5246 5): P_hash of the secret and of the seeds, one after the other; the
/// first of them is the label.
void prf(SuiteHash hash, Bytes secret, std::span<const Bytes> seeds, MutableBytes out) noexcept;

constexpr std::size_t kSha256Bytes = 32;

/// SHA-256 (FIPS 180-4) of both parts, one after the other.
std::array<unsigned char, kSha256Bytes> sha256(Bytes first, Bytes second) noexcept;

}  // namespace cppx::tls
