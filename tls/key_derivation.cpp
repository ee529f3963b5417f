// OpenSSL 3 calls its hash functions deprecated for the sake of providers; those under EVP cost an
// allocation and a copy for each use, of which a handshake has a hundred.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "tls/key_derivation.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>

#include "base/text.h"

namespace cppx::tls {
namespace {

/// One of the SHA-2 functions (FIPS 180-4).
template <
    typename State, auto kInit, auto kUpdate, auto kFinal, std::size_t kSize,
    std::size_t kBlockSize>
class Sha2 {
 public:
  static constexpr std::size_t kBytes = kSize;
  static constexpr std::size_t kBlock = kBlockSize;

  Sha2() noexcept { kInit(&state_); }
  Sha2(const Sha2&) = default;
  Sha2& operator=(const Sha2&) = delete;
  ~Sha2() { OPENSSL_cleanse(&state_, sizeof(state_)); }
  void update(Bytes data) noexcept { kUpdate(&state_, data.data(), data.size()); }
  void finish(unsigned char* out) noexcept { kFinal(out, &state_); }

 private:
  State state_;
};

using Sha256 =
    Sha2<SHA256_CTX, SHA256_Init, SHA256_Update, SHA256_Final, SHA256_DIGEST_LENGTH, SHA256_CBLOCK>;
using Sha384 =
    Sha2<SHA512_CTX, SHA384_Init, SHA384_Update, SHA384_Final, SHA384_DIGEST_LENGTH, SHA512_CBLOCK>;

/// Bytes that are wiped at the end of their scope.
template <std::size_t Size>
struct Secret : std::array<unsigned char, Size> {
  Secret() noexcept : std::array<unsigned char, Size>{} {}
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = default;
  ~Secret() { OPENSSL_cleanse(this->data(), Size); }
};

/// HMAC (RFC 2104) with one key for any number of messages: the key's blocks are hashed once.
template <typename Hash>
class Hmac {
 public:
  using Tag = Secret<Hash::kBytes>;

  explicit Hmac(Bytes key) noexcept {
    Secret<Hash::kBlock> block;
    if (key.size() > block.size()) {
      Hash shortened;
      shortened.update(key);
      shortened.finish(block.data());
    } else {
      std::copy(key.begin(), key.end(), block.begin());
    }
    constexpr unsigned char kInner = 0x36;
    constexpr unsigned char kOuter = 0x5c;
    for (unsigned char& octet : block) octet ^= kInner;
    inner_.update(block);
    for (unsigned char& octet : block) octet ^= kInner ^ kOuter;
    outer_.update(block);
  }

  /// Of `first` and then of `rest`, one after the other.
  void authenticate(Bytes first, std::span<const Bytes> rest, Tag& tag) const noexcept {
    Hash inner = inner_;
    inner.update(first);
    for (const Bytes part : rest) inner.update(part);
    Tag digest;
    inner.finish(digest.data());
    Hash outer = outer_;
    outer.update(digest);
    outer.finish(tag.data());
  }

 private:
  Hash inner_;
  Hash outer_;
};

constexpr std::size_t kOctetMax = 255;

/// HKDF-Expand (RFC 5869 2.3). `out` is at most 255 times the hash.
template <typename Hash>
void expand(Bytes secret, std::span<const Bytes> info, MutableBytes out) noexcept {
  const Hmac<Hash> hmac(secret);
  typename Hmac<Hash>::Tag tag;
  Bytes previous;
  for (unsigned char counter = 1; !out.empty(); ++counter) {
    // The counter ends what is authenticated: the last of the parts of `info` is where it is put.
    std::array<Bytes, 6> parts;
    const auto end = std::copy(info.begin(), info.end(), parts.begin());
    *end = Bytes(&counter, 1);
    typename Hmac<Hash>::Tag next;
    hmac.authenticate(previous, {parts.begin(), end + 1}, next);
    tag = next;
    previous = tag;
    const std::size_t count = std::min(out.size(), tag.size());
    std::copy_n(tag.begin(), count, out.begin());
    out = out.subspan(count);
  }
}

template <typename Hash>
bool expand_label(
    Bytes secret, Bytes prefix, Bytes label, Bytes context, MutableBytes out
) noexcept {
  const std::size_t label_size = prefix.size() + label.size();
  if (label_size > kOctetMax || context.size() > kOctetMax || out.size() > kOctetMax * Hash::kBytes)
    return false;
  const std::array<unsigned char, 3> lengths = {
      static_cast<unsigned char>(out.size() >> 8U), static_cast<unsigned char>(out.size()),
      static_cast<unsigned char>(label_size)
  };
  const auto context_length = static_cast<unsigned char>(context.size());
  expand<Hash>(
      secret, std::array<Bytes, 5>{lengths, prefix, label, Bytes(&context_length, 1), context}, out
  );
  return true;
}

/// Derive-Secret(secret, label, "") (RFC 8446 7.1).
template <typename Hash>
bool derive_secret(Bytes secret, Bytes prefix, Bytes label, MutableBytes out) noexcept {
  static const auto digest_of_nothing = [] {
    std::array<unsigned char, Hash::kBytes> digest;
    Hash().finish(digest.data());
    return digest;
  }();
  return expand_label<Hash>(secret, prefix, label, digest_of_nothing, out);
}

/// HKDF-Extract (RFC 5869 2.2).
template <typename Hash>
void extract(Bytes salt, Bytes key, MutableBytes out) noexcept {
  typename Hmac<Hash>::Tag tag;
  Hmac<Hash>(salt).authenticate(key, {}, tag);
  std::copy(tag.begin(), tag.end(), out.begin());
}

/// Where each handshake that resumes nothing begins: no secret, the same for all.
template <typename Hash>
struct Beginning {
  static constexpr std::string_view kPrefix = "tls13 ";
  static constexpr std::string_view kLabel = "derived";
  static constexpr std::array<unsigned char, Hash::kBytes> kZeros = {};

  Beginning() noexcept {
    extract<Hash>(kZeros, kZeros, early_secret);
    derive_secret<Hash>(early_secret, bytes_of(kPrefix), bytes_of(kLabel), salt);
  }
  static const Beginning& get() noexcept {
    static const Beginning made;
    return made;
  }
  [[nodiscard]] bool leads_to(Bytes previous, Bytes prefix, Bytes label) const noexcept {
    return std::ranges::equal(previous, early_secret) &&
           std::ranges::equal(prefix, bytes_of(kPrefix)) &&
           std::ranges::equal(label, bytes_of(kLabel));
  }

  std::array<unsigned char, Hash::kBytes> early_secret;
  std::array<unsigned char, Hash::kBytes> salt;
};

template <typename Hash>
bool next_secret(
    std::optional<Bytes> previous, std::optional<Bytes> key, Bytes prefix, Bytes label,
    MutableBytes out
) noexcept {
  if (out.size() != Hash::kBytes) return false;
  const auto& beginning = Beginning<Hash>::get();
  if (!previous && !key) {
    std::ranges::copy(beginning.early_secret, out.begin());
    return true;
  }
  Secret<Hash::kBytes> salt;
  if (previous && beginning.leads_to(*previous, prefix, label))
    std::ranges::copy(beginning.salt, salt.begin());
  else if (previous && !derive_secret<Hash>(*previous, prefix, label, salt))
    return false;
  extract<Hash>(salt, key.value_or(Bytes(beginning.kZeros)), out);
  return true;
}

template <typename Hash>
void p_hash(Bytes secret, std::span<const Bytes> seeds, MutableBytes out) noexcept {
  const Hmac<Hash> hmac(secret);
  typename Hmac<Hash>::Tag chained;
  hmac.authenticate({}, seeds, chained);
  while (!out.empty()) {
    typename Hmac<Hash>::Tag tag;
    hmac.authenticate(chained, seeds, tag);
    const std::size_t count = std::min(out.size(), tag.size());
    std::copy_n(tag.begin(), count, out.begin());
    out = out.subspan(count);
    if (out.empty()) break;
    hmac.authenticate(chained, {}, tag);
    chained = tag;
  }
}

}  // namespace

std::optional<SuiteHash> suite_hash(std::string_view name) noexcept {
  for (const std::string_view one : {"SHA2-256", "SHA256", "SHA-256"})
    if (iequals(name, one)) return SuiteHash::kSha256;
  for (const std::string_view one : {"SHA2-384", "SHA384", "SHA-384"})
    if (iequals(name, one)) return SuiteHash::kSha384;
  return std::nullopt;
}

std::size_t size_of(SuiteHash hash) noexcept {
  return hash == SuiteHash::kSha256 ? Sha256::kBytes : Sha384::kBytes;
}

bool hkdf_expand_label(
    SuiteHash hash, Bytes secret, Bytes prefix, Bytes label, Bytes context, MutableBytes out
) noexcept {
  return hash == SuiteHash::kSha256 ? expand_label<Sha256>(secret, prefix, label, context, out)
                                    : expand_label<Sha384>(secret, prefix, label, context, out);
}

bool hkdf_next_secret(
    SuiteHash hash, std::optional<Bytes> previous, std::optional<Bytes> key, Bytes prefix,
    Bytes label, MutableBytes out
) noexcept {
  return hash == SuiteHash::kSha256 ? next_secret<Sha256>(previous, key, prefix, label, out)
                                    : next_secret<Sha384>(previous, key, prefix, label, out);
}

void prf(SuiteHash hash, Bytes secret, std::span<const Bytes> seeds, MutableBytes out) noexcept {
  if (hash == SuiteHash::kSha256)
    p_hash<Sha256>(secret, seeds, out);
  else
    p_hash<Sha384>(secret, seeds, out);
}

std::array<unsigned char, kSha256Bytes> sha256(Bytes first, Bytes second) noexcept {
  Sha256 hash;
  hash.update(first);
  hash.update(second);
  std::array<unsigned char, kSha256Bytes> digest;
  hash.finish(digest.data());
  return digest;
}

}  // namespace cppx::tls
