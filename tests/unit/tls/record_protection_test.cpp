#include "tls/record_protection.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/tls/test_records.h"

namespace cppx::tls {
namespace {

using namespace test;
using Use = RecordProtection::Use;
using Failure = RecordProtection::Failure;

std::string secret_of(std::uint16_t suite) {
  std::string secret(suite == 0x1302 ? 48 : 32, '\0');
  std::iota(secret.begin(), secret.end(), '\1');
  return secret;
}

/// The records of one direction with OpenSSL's primitives only, by RFC 8446 5.2, 5.3, 7.1 and 7.3.
class Reference {
 public:
  explicit Reference(std::uint16_t suite)
      : digest_(suite == 0x1302 ? EVP_sha384() : EVP_sha256()), secret_(secret_of(suite)) {
    cipher_ = suite == 0x1301   ? EVP_aes_128_gcm()
              : suite == 0x1302 ? EVP_aes_256_gcm()
                                : EVP_chacha20_poly1305();
  }

  std::string seal(std::string_view inner, std::uint64_t sequence) const {
    const std::size_t size = inner.size() + 16;
    std::string record = "\x17\x03\x03";
    record += static_cast<char>(size >> 8U);
    record += static_cast<char>(size & 0xffU);
    std::string nonce = expand("iv", 12);
    for (std::size_t i = 0; i < 8; ++i)
      nonce[4 + i] = static_cast<char>(nonce[4 + i] ^ static_cast<char>(sequence >> (56 - 8 * i)));
    const std::string key =
        expand("key", static_cast<std::size_t>(EVP_CIPHER_get_key_length(cipher_)));
    const std::unique_ptr<EVP_CIPHER_CTX, CipherContextDeleter> context(EVP_CIPHER_CTX_new());
    std::string sealed(size, '\0');
    int length = 0;
    REQUIRE(EVP_EncryptInit_ex(context.get(), cipher_, nullptr, at(key), at(nonce)) == 1);
    REQUIRE(EVP_EncryptUpdate(context.get(), nullptr, &length, at(record), 5) == 1);
    REQUIRE(
        EVP_EncryptUpdate(
            context.get(), at(sealed), &length, at(inner), static_cast<int>(inner.size())
        ) == 1
    );
    REQUIRE(EVP_EncryptFinal_ex(context.get(), at(sealed) + inner.size(), &length) == 1);
    REQUIRE(
        EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, 16, at(sealed) + inner.size()) ==
        1
    );
    return record + sealed;
  }

  void update() { secret_ = expand("traffic upd", secret_.size()); }

 private:
  static const unsigned char* at(std::string_view bytes) { return bytes_of(bytes).data(); }
  static unsigned char* at(std::string& bytes) {
    return reinterpret_cast<unsigned char*>(bytes.data());
  }
  /// Never more than a hash: HKDF-Expand is then one HMAC (RFC 5869 2.3).
  std::string expand(std::string_view label, std::size_t size) const {
    std::string info = {'\0', static_cast<char>(size), static_cast<char>(6 + label.size())};
    info += "tls13 ";
    info += label;
    info += std::string{'\0', '\1'};
    std::string out(EVP_MAX_MD_SIZE, '\0');
    unsigned length = 0;
    REQUIRE(HMAC(
        digest_, secret_.data(), static_cast<int>(secret_.size()), at(info), info.size(), at(out),
        &length
    ));
    REQUIRE(length >= size);
    return out.substr(0, size);
  }

  const EVP_CIPHER* cipher_;
  const EVP_MD* digest_;
  std::string secret_;
};

RecordProtection protection(std::uint16_t suite, Use use, std::uint64_t sequence = 0) {
  const RecordSuite* const known = record_suite(suite);
  REQUIRE(known != nullptr);
  const std::string secret = secret_of(suite);
  auto made = RecordProtection::create(*known, TrafficSecret(bytes_of(secret)), sequence, use);
  REQUIRE(made);
  return std::move(*made);
}

std::string seal(
    RecordProtection& with, ContentType type, const std::vector<std::string_view>& parts
) {
  std::vector<Bytes> spans;
  std::size_t size = kSealedOverhead;
  for (const std::string_view part : parts) {
    spans.push_back(bytes_of(part));
    size += part.size();
  }
  std::string record(size, '\0');
  CHECK(with.seal(type, spans, reinterpret_cast<unsigned char*>(record.data())) == size);
  return record;
}

std::string seal(RecordProtection& with, std::string_view content) {
  return seal(with, ContentType::kApplicationData, {content});
}

/// What it holds, or why it does not open.
struct Outcome {
  std::optional<Record> record;
  std::optional<Failure> failure;
  bool operator==(const Outcome&) const = default;
};

Outcome failed(Failure failure) { return {std::nullopt, failure}; }
Outcome opened(std::string_view content) {
  return {Record{ContentType::kApplicationData, std::string(content)}, std::nullopt};
}

Outcome open(RecordProtection& with, std::string record) {
  const MutableBytes bytes(reinterpret_cast<unsigned char*>(record.data()), record.size());
  Failure failure{};
  const auto result =
      with.open(bytes.first<kRecordHeaderBytes>(), bytes.subspan(kRecordHeaderBytes), failure);
  if (!result) return failed(failure);
  return {Record{result->type, {result->content.begin(), result->content.end()}}, std::nullopt};
}

TEST_CASE("RecordProtection: what is sealed can be opened, in the same order", "[tls]") {
  const std::string longest(16384, 'x');
  for (const std::uint16_t suite : kSuites) {
    CAPTURE(suite);
    auto sealing = protection(suite, Use::kSeal);
    auto opening = protection(suite, Use::kOpen);
    CHECK((open(opening, seal(sealing, "one")) == opened("one")));
    CHECK((open(opening, seal(sealing, "")) == opened("")));
    CHECK((open(opening, seal(sealing, ContentType::kApplicationData, {})) == opened("")));
    CHECK((open(opening, seal(sealing, longest)) == opened(longest)));
    const auto parts = seal(sealing, ContentType::kApplicationData, {"a", "", "bc", "def"});
    CHECK((open(opening, parts) == opened("abcdef")));
    const auto alert = seal(sealing, ContentType::kAlert, {std::string_view("\1\0", 2)});
    const Record expected{ContentType::kAlert, std::string("\1\0", 2)};
    CHECK(open(opening, alert).record == expected);
    CHECK(sealing.sequence() == 6);
    CHECK(opening.sequence() == 6);
  }
}

TEST_CASE("RecordProtection: sealed as RFC 8446 5.2 describes, by OpenSSL alone", "[tls]") {
  for (const std::uint16_t suite : kSuites) {
    Reference reference(suite);
    // Numbers of more than one octet.
    for (const std::uint64_t sequence :
         {std::uint64_t{0}, std::uint64_t{255}, std::uint64_t{0x010203}, std::uint64_t{1} << 63U}) {
      CAPTURE(suite, sequence);
      auto sealing = protection(suite, Use::kSeal, sequence);
      CHECK(seal(sealing, "content") == reference.seal("content\x17", sequence));
      CHECK(
          seal(sealing, ContentType::kHandshake, {"con", "tent"}) ==
          reference.seal("content\x16", sequence + 1)
      );
    }
    auto sealing = protection(suite, Use::kSeal, 7);
    for (int generation = 0; generation < 3; ++generation) {
      REQUIRE(sealing.update());
      reference.update();
      CHECK(seal(sealing, "new keys") == reference.seal("new keys\x17", 0));
      CHECK(seal(sealing, "go on") == reference.seal("go on\x17", 1));
    }
  }
}

TEST_CASE("RecordProtection: the application data record of RFC 8448 3", "[tls]") {
  const std::string secret =
      from_hex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5");
  const std::string record = from_hex(
      "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a2044"
      "1e2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4"
  );
  std::string content(0x32, '\0');
  std::iota(content.begin(), content.end(), '\0');
  const TrafficSecret client_secret(bytes_of(secret));
  auto opening = RecordProtection::create(*record_suite(0x1301), client_secret, 0, Use::kOpen);
  auto sealing = RecordProtection::create(*record_suite(0x1301), client_secret, 0, Use::kSeal);
  REQUIRE(opening);
  REQUIRE(sealing);
  CHECK(open(*opening, record).record == Record{ContentType::kApplicationData, content});
  CHECK(seal(*sealing, content) == record);
}

TEST_CASE("RecordProtection: records open in the order of their numbers only", "[tls]") {
  for (const std::uint16_t suite : kSuites) {
    CAPTURE(suite);
    auto sealing = protection(suite, Use::kSeal);
    const std::string first = seal(sealing, "first");
    const std::string second = seal(sealing, "second");
    auto skipping = protection(suite, Use::kOpen);
    CHECK((open(skipping, second) == failed(Failure::kBadRecordMac)));
    auto repeating = protection(suite, Use::kOpen);
    CHECK((open(repeating, first) == opened("first")));
    CHECK((open(repeating, first) == failed(Failure::kBadRecordMac)));
    auto later = protection(suite, Use::kOpen, 1);
    CHECK((open(later, second) == opened("second")));
  }
}

TEST_CASE("RecordProtection: a flipped bit is noticed wherever it is", "[tls]") {
  for (const std::uint16_t suite : kSuites) {
    auto sealing = protection(suite, Use::kSeal);
    const std::string record = seal(sealing, "seventeen octets.");
    for (std::size_t bit = 0; bit < record.size() * 8; ++bit) {
      CAPTURE(suite, bit);
      std::string flipped = record;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
      auto opening = protection(suite, Use::kOpen);
      CHECK((open(opening, flipped) == failed(Failure::kBadRecordMac)));
    }
  }
}

TEST_CASE("RecordProtection: what is shorter than a tag is none of ours", "[tls]") {
  for (const std::uint16_t suite : kSuites) {
    for (std::size_t size = 0; size < 16; ++size) {
      CAPTURE(suite, size);
      auto opening = protection(suite, Use::kOpen);
      std::string record = "\x17\x03\x03";
      record += std::string{'\0', static_cast<char>(size)} + std::string(size, 'x');
      CHECK((open(opening, record) == failed(Failure::kBadRecordMac)));
    }
  }
}

TEST_CASE("RecordProtection: what was padded, was too long or has no type", "[tls]") {
  const auto zeros = [](std::size_t count) { return std::string(count, '\0'); };
  const std::string longest(16384, 'x');
  struct Case {
    const char* name;
    std::string inner;
    Outcome outcome;
  };
  const std::vector<Case> cases = {
      {"one zero", "content\x17" + zeros(1), opened("content")},
      {"many zeros", "content\x17" + zeros(1000), opened("content")},
      {"zeros of the content stay", "content" + zeros(3) + "\x17" + zeros(3),
       opened("content" + zeros(3))},
      {"padding alone", "\x17" + zeros(5), opened("")},
      {"as many zeros as fit", "x\x17" + zeros(16383), opened("x")},
      {"the longest content", longest + "\x17", opened(longest)},
      {"nothing", "", failed(Failure::kNoContentType)},
      {"a zero", zeros(1), failed(Failure::kNoContentType)},
      {"only zeros", zeros(16385), failed(Failure::kNoContentType)},
      {"content too long", longest + "x\x17", failed(Failure::kRecordOverflow)},
      {"too much padding", longest + "\x17" + zeros(1), failed(Failure::kRecordOverflow)},
      {"too many zeros", zeros(16386), failed(Failure::kRecordOverflow)},
      {"as long as a record can be", longest + "\x17" + zeros(239), failed(Failure::kRecordOverflow)
      },
  };
  for (const std::uint16_t suite : kSuites) {
    const Reference reference(suite);
    for (const Case& c : cases) {
      CAPTURE(suite, c.name);
      auto opening = protection(suite, Use::kOpen);
      CHECK((open(opening, reference.seal(c.inner, 0)) == c.outcome));
    }
  }
}

TEST_CASE("RecordProtection: new keys have to be taken at both ends", "[tls]") {
  for (const std::uint16_t suite : kSuites) {
    CAPTURE(suite);
    auto sealing = protection(suite, Use::kSeal);
    auto opening = protection(suite, Use::kOpen);
    for (int generation = 0; generation < 3; ++generation) {
      CHECK((open(opening, seal(sealing, "before")) == opened("before")));
      REQUIRE(sealing.update());
      REQUIRE(opening.update());
      CHECK(sealing.sequence() == 0);
      CHECK(opening.sequence() == 0);
      CHECK((open(opening, seal(sealing, "after")) == opened("after")));
    }
    auto alone = protection(suite, Use::kSeal);
    auto behind = protection(suite, Use::kOpen);
    REQUIRE(alone.update());
    CHECK((open(behind, seal(alone, "too early")) == failed(Failure::kBadRecordMac)));
    auto ahead = protection(suite, Use::kOpen);
    auto late = protection(suite, Use::kSeal);
    REQUIRE(ahead.update());
    CHECK((open(ahead, seal(late, "too late")) == failed(Failure::kBadRecordMac)));
  }
}

TEST_CASE("RecordProtection: three suites, each with a secret as long as its hash", "[tls]") {
  for (const std::uint16_t suite : std::vector<std::uint16_t>{0, 0x1300, 0x1304, 0x1305, 0xc02b})
    CHECK(record_suite(suite) == nullptr);
  for (const std::uint16_t suite : kSuites) {
    for (const std::size_t size : std::vector<std::size_t>{0, 31, 32, 47, 48}) {
      CAPTURE(suite, size);
      const std::string secret(size, 's');
      const auto made = RecordProtection::create(
          *record_suite(suite), TrafficSecret(bytes_of(secret)), 0, Use::kSeal
      );
      CHECK(made.has_value() == (size == (suite == 0x1302 ? 48U : 32U)));
    }
  }
}

}  // namespace
}  // namespace cppx::tls
