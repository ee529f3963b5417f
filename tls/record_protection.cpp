#include "tls/record_protection.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <string_view>

#include "tls/key_derivation.h"
#include "tls/openssl.h"
#include "tls/traffic_secrets.h"

namespace cppx::tls {
namespace {

constexpr std::array<RecordSuite, 3> kSuites = {{
    {.id = 0x1301, .cipher = "AES-128-GCM", .hash = SuiteHash::kSha256, .key_bytes = 16},
    {.id = 0x1302, .cipher = "AES-256-GCM", .hash = SuiteHash::kSha384, .key_bytes = 32},
    {.id = 0x1303, .cipher = "ChaCha20-Poly1305", .hash = SuiteHash::kSha256, .key_bytes = 32},
}};
constexpr std::size_t kLongestKey = 32;

/// Looked up once and never freed: connections of any thread use it until the process ends.
const EVP_CIPHER* cipher_of(const RecordSuite& suite) noexcept {
  static const auto fetched = [] {
    const ErrorQueueScope errors;
    std::array<EVP_CIPHER*, kSuites.size()> all{};
    std::ranges::transform(kSuites, all.begin(), [](const RecordSuite& one) {
      return EVP_CIPHER_fetch(nullptr, one.cipher, nullptr);
    });
    return all;
  }();
  return fetched[static_cast<std::size_t>(std::distance(kSuites.data(), &suite))];
}

bool derive(
    const RecordSuite& suite, Bytes secret, std::string_view label, MutableBytes out
) noexcept {
  return hkdf_expand_label(suite.hash, secret, bytes_of("tls13 "), bytes_of(label), {}, out);
}

}  // namespace

void CipherContextDeleter::operator()(EVP_CIPHER_CTX* context) const noexcept {
  EVP_CIPHER_CTX_free(context);
}

const RecordSuite* record_suite(std::uint16_t id) noexcept {
  const auto* const found = std::ranges::find(kSuites, id, &RecordSuite::id);
  return found == kSuites.end() ? nullptr : found;
}

std::optional<RecordProtection> RecordProtection::create(
    const RecordSuite& suite, const TrafficSecret& secret, std::uint64_t sequence, Use use
) noexcept {
  const EVP_CIPHER* const cipher = cipher_of(suite);
  RecordProtection made(suite, secret, sequence);
  made.use_ = use;
  if (cipher == nullptr || secret.bytes().size() != size_of(suite.hash)) return std::nullopt;
  made.context_.reset(EVP_CIPHER_CTX_new());
  if (!made.context_ || !made.set_keys(cipher)) return std::nullopt;
  return made;
}

bool RecordProtection::set_keys(const EVP_CIPHER* cipher) noexcept {
  std::array<unsigned char, kLongestKey> key;
  const bool set =
      derive(*suite_, secret_.bytes(), "key", MutableBytes(key).first(suite_->key_bytes)) &&
      derive(*suite_, secret_.bytes(), "iv", iv_) &&
      EVP_CipherInit_ex(
          context_.get(), cipher, nullptr, key.data(), nullptr, use_ == Use::kSeal ? 1 : 0
      ) == 1;
  OPENSSL_cleanse(key.data(), key.size());
  return set;
}

bool RecordProtection::update() noexcept {
  TrafficSecret next = secret_;
  if (!derive(*suite_, secret_.bytes(), "traffic upd", next.bytes())) return false;
  secret_ = next;
  sequence_ = 0;
  return set_keys(nullptr);
}

/// RFC 8446 5.3.
bool RecordProtection::begin(Bytes header) noexcept {
  constexpr std::size_t kOctetBits = 8;
  auto nonce = iv_;
  std::uint64_t number = sequence_++;
  for (std::size_t at = nonce.size(); number != 0; number >>= kOctetBits)
    nonce[--at] ^= static_cast<unsigned char>(number);
  int taken = 0;
  return EVP_CipherInit_ex(context_.get(), nullptr, nullptr, nullptr, nonce.data(), -1) == 1 &&
         EVP_CipherUpdate(
             context_.get(), nullptr, &taken, header.data(), static_cast<int>(header.size())
         ) == 1;
}

std::size_t RecordProtection::seal(
    ContentType type, std::span<const Bytes> parts, unsigned char* out
) noexcept {
  std::size_t content = 0;
  for (const Bytes part : parts) content += part.size();
  const std::size_t payload = content + 1 + kAeadTagBytes;
  constexpr std::array<unsigned char, 3> kTypeAndVersion = {23, 3, 3};
  unsigned char* at = std::ranges::copy(kTypeAndVersion, out).out;
  *at++ = static_cast<unsigned char>(payload >> 8U);
  *at++ = static_cast<unsigned char>(payload);
  if (!begin({out, kRecordHeaderBytes})) return 0;

  const auto add = [this, &at](Bytes part) {
    int written = 0;
    const bool added = EVP_CipherUpdate(
                           context_.get(), at, &written, part.data(), static_cast<int>(part.size())
                       ) == 1;
    at += written;
    return added;
  };
  const auto inner_type = static_cast<unsigned char>(type);
  int rest = 0;
  if (!std::ranges::all_of(parts, add) || !add({&inner_type, 1}) ||
      EVP_CipherFinal_ex(context_.get(), at, &rest) != 1 ||
      EVP_CIPHER_CTX_ctrl(
          context_.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(kAeadTagBytes), at
      ) != 1)
    return 0;
  return kRecordHeaderBytes + payload;
}

std::optional<RecordProtection::Opened> RecordProtection::open(
    std::span<const unsigned char, kRecordHeaderBytes> header, MutableBytes payload,
    Failure& failure
) noexcept {
  failure = Failure::kBadRecordMac;
  if (payload.size() < kAeadTagBytes || !begin(header)) return std::nullopt;
  MutableBytes content = payload.first(payload.size() - kAeadTagBytes);
  const MutableBytes tag = payload.last(kAeadTagBytes);
  int opened = 0;
  int rest = 0;
  if (EVP_CIPHER_CTX_ctrl(
          context_.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(tag.size()), tag.data()
      ) != 1 ||
      EVP_CipherUpdate(
          context_.get(), content.data(), &opened, content.data(), static_cast<int>(content.size())
      ) != 1 ||
      EVP_CipherFinal_ex(context_.get(), content.data() + content.size(), &rest) != 1)
    return std::nullopt;

  failure = Failure::kRecordOverflow;
  if (content.size() > kRecordContentMax + 1) return std::nullopt;
  // Zeros may follow the content type (RFC 8446 5.4).
  while (!content.empty() && content.back() == 0) content = content.first(content.size() - 1);
  failure = Failure::kNoContentType;
  if (content.empty()) return std::nullopt;
  return Opened{
      .type = static_cast<ContentType>(content.back()), .content = content.first(content.size() - 1)
  };
}

}  // namespace cppx::tls
