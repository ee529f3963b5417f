#include "tls/certificate.h"

#include <fmt/format.h>
#include <openssl/err.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/tls/test_handshake.h"
#include "tests/unit/tls/test_pki.h"

namespace cppx::tls {
namespace {

using namespace test;
using namespace std::string_literals;
using namespace std::chrono_literals;

Result<std::shared_ptr<const Certificate>> load(const Issued& issued) {
  return Certificate::from_pem(pem_of(issued.certificate.get()), pem_of(issued.key.get()));
}

std::shared_ptr<const Certificate> certificate_for(const CertificateSpec& spec) {
  auto result = load(issue(spec, KeyKind::kP256));
  REQUIRE(result.has_value());
  return *result;
}

/// The error text of a pair that must be refused.
std::string refusal(std::string_view chain, std::string_view key) {
  const auto result = Certificate::from_pem(chain, key);
  CHECK(ERR_peek_error() == 0);
  if (result.has_value()) return "(accepted)";
  CHECK(result.error().code == Errc::kTls);
  CHECK(result.error().source == ErrorSource::kConfig);
  CHECK_FALSE(result.error().retryable);
  CHECK(result.error().detail.find('\n') == std::string::npos);
  return result.error().detail;
}

bool contains(std::string_view text, std::string_view part) {
  INFO(text);
  return text.find(part) != std::string_view::npos;
}

TEST_CASE("Certificate: keys of every kind used in TLS are read", "[tls]") {
  for (const KeyKind kind :
       {KeyKind::kRsa2048, KeyKind::kP256, KeyKind::kP384, KeyKind::kEd25519, KeyKind::kEd448}) {
    CAPTURE(static_cast<int>(kind));
    const auto result = load(issue({.dns_names = {"a.example.com"}}, kind));
    REQUIRE(result.has_value());
    CHECK((*result)->names() == std::vector{"a.example.com"s});
    CHECK(ERR_peek_error() == 0);
  }
}

TEST_CASE("Certificate: keys in the forms of before PKCS #8 are read", "[tls]") {
  for (const KeyKind kind : {KeyKind::kRsa2048, KeyKind::kP256}) {
    const Issued issued = issue({}, kind);
    const std::string certificate = pem_of(issued.certificate.get());
    const std::string key = traditional_pem_of(issued.key.get());
    REQUIRE(contains(key, kind == KeyKind::kP256 ? "BEGIN EC PRIVATE" : "BEGIN RSA PRIVATE"));
    CHECK(Certificate::from_pem(certificate, key).has_value());
  }
}

TEST_CASE("Certificate: a public key in place of the private one is refused", "[tls]") {
  for (const KeyKind kind : {KeyKind::kRsa2048, KeyKind::kP256, KeyKind::kEd25519}) {
    CAPTURE(static_cast<int>(kind));
    const Issued issued = issue({}, kind);
    const std::string chain = pem_of(issued.certificate.get());
    const std::string public_key = public_pem_of(issued.key.get());
    CHECK(contains(refusal(chain, public_key), "tls.key: private key cannot be read"));
    CHECK(Certificate::from_pem(chain, public_key + pem_of(issued.key.get())).has_value());
  }
}

TEST_CASE("Certificate: what `openssl ecparam -genkey` writes before the key is skipped", "[tls]") {
  const Issued issued = issue({}, KeyKind::kP256);
  const std::string parameters =
      "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
  const std::string key = parameters + traditional_pem_of(issued.key.get());
  const auto result = Certificate::from_pem(pem_of(issued.certificate.get()), key);
  CHECK(result.has_value());
}

TEST_CASE("Certificate: text and other blocks around the certificates do not matter", "[tls]") {
  const Issued ca = issue({.common_name = "ca", .is_ca = true}, KeyKind::kP256);
  const Issued leaf = issue({.dns_names = {"a.example.com"}}, KeyKind::kP256, &ca);
  const std::string first = pem_of(leaf.certificate.get());
  const std::string second = pem_of(ca.certificate.get());
  const std::string key = pem_of(leaf.key.get());
  const std::vector<std::string> chains = {
      "subject=CN = leaf\nissuer=CN = ca\n" + first + "\n\n# intermediate\n" + second + "end",
      key + first + second,
      first + key + second,
      "\xef\xbb\xbf" + first + second,  // byte order mark
      "\r\n" + first + "\r\n" + second + "\r\n",
  };
  for (const std::string& chain : chains) {
    const auto result = Certificate::from_pem(chain, "Bag Attributes\n" + key + "junk");
    REQUIRE(result.has_value());
    CHECK((*result)->names() == std::vector{"a.example.com"s});
  }
  CHECK(Certificate::from_pem(first + second, first + key).has_value());
}

TEST_CASE("Certificate: Windows line ends are read", "[tls]") {
  const Issued issued = issue({}, KeyKind::kP256);
  const auto windows = [](const std::string& text) {
    std::string result;
    for (const char c : text) result += c == '\n' ? "\r\n"s : std::string(1, c);
    return result;
  };
  const std::string chain = windows(pem_of(issued.certificate.get()));
  CHECK(Certificate::from_pem(chain, windows(pem_of(issued.key.get()))).has_value());
}

/// Under the password "secret".
constexpr const char* kEncryptedKey =
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
    "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAj3DOPvKMTBNAICCAAw\n"
    "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEKiIq6HreoR34e4lrKe/IHEEgZCz\n"
    "gR/mqagOgGXJmCcedOZ5PK5Ur/f9pHipeyVECuQnGd5iz2zkumrVEX84Eum/RJGY\n"
    "EJcFor7EvZ+WZqSS50rUlv2mc8ZWCaJaPJgR8OgYYIxcgKKbZXpVdxn0ebUN44iN\n"
    "Q1/1H8OFj6E5hXNgXz4iIl42Tg1MyrN5hpYEVl2Lwtn9g3ZcV/M9YFZg3KdHH/U=\n"
    "-----END ENCRYPTED PRIVATE KEY-----\n";

TEST_CASE("Certificate: each way to be unusable has its words", "[tls]") {
  const Issued good = issue({}, KeyKind::kP256);
  const Issued other = issue({}, KeyKind::kP256);
  const Issued rsa = issue({}, KeyKind::kRsa2048);
  const std::string certificate = pem_of(good.certificate.get());
  const std::string key = pem_of(good.key.get());
  std::string damaged = certificate;
  damaged.replace(damaged.find('\n') + 5, 1, "!");
  std::string damaged_key = key;
  damaged_key.replace(damaged_key.find('\n') + 5, 1, "!");

  struct Case {
    std::string chain;
    std::string key;
    std::string words;
  };
  const std::vector<Case> cases = {
      {"", key, "tls.crt: no PEM certificate"},
      {"hello", key, "tls.crt: no PEM certificate"},
      {key, key, "tls.crt: no PEM certificate"},
      {damaged, key, "tls.crt: certificate 1 cannot be read"},
      {certificate + damaged, key, "tls.crt: certificate 2 cannot be read"},
      {certificate, "", "tls.key: no PEM private key"},
      {certificate, "hello", "tls.key: no PEM private key"},
      {certificate, certificate, "tls.key: private key cannot be read"},
      {certificate, damaged_key, "tls.key: private key cannot be read"},
      {certificate, kEncryptedKey, "tls.key: the private key is encrypted"},
      {certificate, pem_of(other.key.get()), "tls.key does not match"},
      {certificate, pem_of(rsa.key.get()), "tls.key does not match"},
      {pem_of(other.certificate.get()) + certificate, key, "belongs to certificate 2 of tls.crt"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.words, c.chain.size(), c.key.size());
    CHECK(contains(refusal(c.chain, c.key), c.words));
  }
}

TEST_CASE("Certificate: an encrypted key of the old form is refused without a prompt", "[tls]") {
  const Issued issued = issue({}, KeyKind::kP256);
  const std::string key =
      "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
      "DEK-Info: AES-256-CBC,00112233445566778899AABBCCDDEEFF\n\n"
      "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n-----END EC PRIVATE KEY-----\n";
  CHECK(contains(refusal(pem_of(issued.certificate.get()), key), "is encrypted"));
}

TEST_CASE("Certificate: signed with any digest that is strong enough", "[tls]") {
  const Issued ca = issue({.common_name = "ca", .is_ca = true}, KeyKind::kRsa2048);
  for (const EVP_MD* digest :
       {EVP_sha224(), EVP_sha256(), EVP_sha384(), EVP_sha512(), EVP_sha3_256(), EVP_sha3_512()}) {
    CAPTURE(EVP_MD_get0_name(digest));
    const Issued issued = issue({.digest = digest}, KeyKind::kP256, &ca);
    CHECK(Certificate::from_pem(pem_of(issued.certificate.get()), pem_of(issued.key.get()))
              .has_value());
  }
}

TEST_CASE("Certificate: keys and signatures that a handshake would refuse are refused", "[tls]") {
  const Issued weak = issue({}, KeyKind::kRsa1024);
  CHECK(contains(refusal(pem_of(weak.certificate.get()), pem_of(weak.key.get())), "1024 bits"));

  const Issued dsa = issue({}, KeyKind::kDsa);
  CHECK(contains(refusal(pem_of(dsa.certificate.get()), pem_of(dsa.key.get())), "another type"));

  const Issued ca = issue({.common_name = "ca", .is_ca = true}, KeyKind::kP256);
  const Issued sha1 = issue({.digest = EVP_sha1()}, KeyKind::kP256, &ca);
  const std::string key = pem_of(sha1.key.get());
  CHECK(contains(refusal(pem_of(sha1.certificate.get()), key), "signature algorithm is too weak"));

  const Issued leaf = issue({}, KeyKind::kP256, &weak);
  const std::string chain = pem_of(leaf.certificate.get()) + pem_of(weak.certificate.get());
  CHECK(contains(refusal(chain, pem_of(leaf.key.get())), "tls.crt: certificate 2"));
}

// A worker signs with what a Secret has, and serves nobody else meanwhile.
TEST_CASE("Certificate: RSA keys that take long to sign with are refused", "[tls]") {
  const Issued ca = issue({.common_name = "ca", .is_ca = true}, KeyKind::kP256);
  const auto refusal_of = [&](const RsaNumbers& bits) {
    const Issued issued = issue_with_key({}, make_senseless_rsa_key(bits), &ca);
    return refusal(pem_of(issued.certificate.get()), pem_of(issued.key.get()));
  };
  CHECK(refusal_of({}) == "(accepted)");
  CHECK(refusal_of({.modulus = 8192}) == "(accepted)");
  CHECK(
      contains(refusal_of({.modulus = 8193}), "an RSA key of 8193 bits is too long (8192 at most)")
  );
  CHECK(contains(refusal_of({.modulus = 16384}), "an RSA key of 16384 bits is too long"));
  // Primes need not be of the same length.
  CHECK(refusal_of({.factor = 1100, .factor_exponent = 1100}) == "(accepted)");
  for (const RsaNumbers& bits : {
           RsaNumbers{.public_exponent = 2000},
           RsaNumbers{.private_exponent = 20'000},
           RsaNumbers{.factor = 2048},
           RsaNumbers{.factor_exponent = 200'000},
       }) {
    CAPTURE(bits.public_exponent, bits.private_exponent, bits.factor, bits.factor_exponent);
    CHECK(contains(refusal_of(bits), "the private key is damaged"));
  }
}

TEST_CASE("Certificate: alternative names that cannot be decoded are an error", "[tls]") {
  // A list whose length says more than there is: the common name must not stand in for it.
  const Issued issued =
      issue({.common_name = "a.example.com", .raw_alternative_names = "\x30\x7f"s}, KeyKind::kP256);
  const std::string certificate = pem_of(issued.certificate.get());
  CHECK(contains(refusal(certificate, pem_of(issued.key.get())), "alternative names"));
}

TEST_CASE("Certificate: truncated input is refused and leaves nothing behind", "[tls]") {
  const Issued issued = issue({.dns_names = {"a.example.com"}}, KeyKind::kP256);
  const std::string chain = pem_of(issued.certificate.get());
  const std::string key = pem_of(issued.key.get());
  // Up to the dashes that end the last line, which OpenSSL asks for.
  for (std::size_t length = 0; length + 6 < chain.size(); ++length) {
    CAPTURE(length);
    CHECK(refusal(chain.substr(0, length), key) != "(accepted)");
  }
  for (std::size_t length = 0; length + 6 < key.size(); ++length) {
    CAPTURE(length);
    CHECK(refusal(chain, key.substr(0, length)) != "(accepted)");
  }
}

TEST_CASE("Certificate: single flipped bytes never crash or leave errors queued", "[tls]") {
  const Issued issued = issue({.dns_names = {"a.example.com"}}, KeyKind::kP256);
  const std::string chain = pem_of(issued.certificate.get());
  const std::string key = pem_of(issued.key.get());
  std::size_t accepted = 0;
  for (std::size_t i = 0; i < chain.size(); ++i) {
    std::string changed = chain;
    changed[i] = static_cast<char>(changed[i] ^ 0x15);
    if (Certificate::from_pem(changed, key).has_value()) ++accepted;
    CHECK(ERR_peek_error() == 0);
  }
  const auto context = ServerContext::create();
  REQUIRE(context.has_value());
  for (std::size_t i = 0; i < key.size(); ++i) {
    CAPTURE(i);
    std::string changed = key;
    changed[i] = static_cast<char>(changed[i] ^ 0x15);
    const auto result = Certificate::from_pem(chain, changed);
    CHECK(ERR_peek_error() == 0);
    if (!result.has_value()) continue;
    // The byte was no part of the key: it still works.
    const SniTable table(*result);
    CHECK(Connection(**context, table, {}).established());
  }
  // Signatures are the client's business: changes in names, dates and signature are not seen here.
  CHECK(accepted < chain.size());
}

TEST_CASE("Certificate: covers() by subject alternative names", "[tls]") {
  const auto certificate = certificate_for(
      {.common_name = "cn.example.com",
       .dns_names =
           {"a.example.com", "*.wild.example.com", "UPPER.example.com", "dot.example.com.",
            "f*.part.example.com", "*.*.two.example.com", "*", "10.0.0.1", "*.0.0.2"}}
  );
  struct Case {
    std::string_view host;
    bool covered;
  };
  const std::vector<Case> cases = {
      {"a.example.com", true},
      {"A.Example.COM", true},
      {"a.example.com.", true},
      {"b.example.com", false},
      {"x.a.example.com", false},
      {"example.com", false},
      {"cn.example.com", false},
      {"x.wild.example.com", true},
      {"X.WILD.example.com.", true},
      {"x.y.wild.example.com", false},
      {"wild.example.com", false},
      {".wild.example.com", false},
      {"*.wild.example.com", true},
      {"*.Wild.example.com.", true},
      {"*.a.example.com", false},
      {"*.example.com", false},
      {"upper.example.com", true},
      {"dot.example.com", true},
      {"foo.part.example.com", false},
      {"a.b.two.example.com", false},
      {"localhost", false},
      {"", false},
      {".", false},
      {"10.0.0.1", false},
      {"9.0.0.2", false},
      {"::1", false},
      {"[::1]", false},
  };
  for (const Case& c : cases) {
    CAPTURE(c.host);
    CHECK(certificate->covers(c.host) == c.covered);
  }
}

TEST_CASE("Certificate: addresses among the alternative names cover no host", "[tls]") {
  const auto certificate =
      certificate_for({.dns_names = {"a.example.com"}, .addresses = {"10.0.0.1", "::1"}});
  CHECK(certificate->names() == std::vector{"a.example.com"s});
  CHECK_FALSE(certificate->covers("10.0.0.1"));
  CHECK_FALSE(certificate->covers("::1"));
}

TEST_CASE("Certificate: the common name counts only without DNS names", "[tls]") {
  const auto plain = certificate_for({.common_name = "A.example.com"});
  CHECK(plain->names() == std::vector{"a.example.com"s});
  CHECK(plain->covers("a.example.com"));
  const auto wildcard = certificate_for({.common_name = "*.example.com"});
  CHECK(wildcard->covers("b.example.com"));
  CHECK_FALSE(wildcard->covers("a.b.example.com"));
  const auto addresses = certificate_for({.common_name = "a.example.com", .addresses = {"::1"}});
  CHECK(addresses->covers("a.example.com"));
  const auto both =
      certificate_for({.common_name = "a.example.com", .dns_names = {"b.example.com"}});
  CHECK_FALSE(both->covers("a.example.com"));
  CHECK(both->names() == std::vector{"b.example.com"s});
  const auto words = certificate_for({.common_name = "Some Company"});
  CHECK(words->names().empty());
  CHECK_FALSE(words->covers("Some Company"));
  CHECK(certificate_for({.common_name = ""})->names().empty());
}

TEST_CASE(
    "Certificate: names with a NUL or other bytes that are no DNS name are left out", "[tls]"
) {
  const auto certificate = certificate_for(
      {.common_name = "good.example.com",
       .dns_names =
           {"good.example.com\0.evil.example"s, "a b.example.com", "\xc3\xa4.example.com",
            std::string(300, 'a'), "ok.example.com", "ok.example.com", "OK.example.com"}}
  );
  CHECK(certificate->names() == std::vector{"ok.example.com"s});
  CHECK_FALSE(certificate->covers("good.example.com"));
  CHECK_FALSE(certificate->covers("good.example.com\0.evil.example"s));
}

// Each compared with each, it would take minutes.
TEST_CASE("Certificate: very many names", "[tls]") {
  const auto name_of = [](int number) {
    return fmt::format("all-of-them-are-of-one-length.and-begin-alike.n{:06}.example.com", number);
  };
  constexpr int kNames = 300'000;
  std::vector<std::string> names;
  for (int i = 0; i < kNames; ++i) names.push_back(name_of(i));
  names.push_back(name_of(0));
  const auto certificate = certificate_for({.dns_names = names});
  names.pop_back();
  CHECK(certificate->names() == names);
  int covered = 0;
  for (int i = kNames - 5; i < kNames + 100'000; ++i)
    if (certificate->covers(name_of(i))) ++covered;
  CHECK(covered == 5);
}

TEST_CASE("covering_names: a host and the wildcard above it", "[tls]") {
  using Names = std::vector<std::string>;
  CHECK(covering_names("A.Example.com.") == Names{"a.example.com", "*.example.com"});
  CHECK(covering_names("*.example.com") == Names{"*.example.com"});
  CHECK(covering_names("localhost") == Names{"localhost"});
  CHECK(covering_names(".example.com") == Names{".example.com"});
  CHECK(covering_names("").empty());
  CHECK(covering_names(".").empty());
  CHECK(covering_names("10.0.0.1").empty());
  CHECK(covering_names("[::1]").empty());
}

TEST_CASE("Certificate: validity, also beyond the range of the clock", "[tls]") {
  const auto certificate =
      certificate_for({.not_before = "20200102030405Z", .not_after = "20210102030405Z"});
  using std::chrono::sys_days;
  CHECK(certificate->not_before() == sys_days(2020y / 1 / 2) + 3h + 4min + 5s);
  CHECK(certificate->not_after() == sys_days(2021y / 1 / 2) + 3h + 4min + 5s);
  CHECK_FALSE(certificate->expired(certificate->not_after() - 1s));
  CHECK(certificate->expired(certificate->not_after()));

  const auto endless =
      certificate_for({.not_before = "00010101000000Z", .not_after = "99991231235959Z"});
  CHECK(endless->not_after() > sys_days(2262y / 1 / 1));
  CHECK(endless->not_before() < sys_days(1678y / 1 / 1));
  CHECK_FALSE(endless->expired(sys_days(2200y / 1 / 1)));
}

TEST_CASE("Certificate: the fingerprint is the SHA-256 of the leaf", "[tls]") {
  const std::string_view certificate = R"(-----BEGIN CERTIFICATE-----
MIIBbTCCAR+gAwIBAgIUZt/vcQJZVZuTX4tJUgmhyjj9NIUwBQYDK2VwMBwxGjAY
BgNVBAMMEWZpeGVkLmV4YW1wbGUuY29tMCAXDTI2MTEyMzIzMDgxNVoYDzIxMjYx
MDMwMjMwODE1WjAcMRowGAYDVQQDDBFmaXhlZC5leGFtcGxlLmNvbTAqMAUGAytl
cAMhAFv+U0iZqUDT1hXuYlO6KEYcjC+1IuI4r1zGZocHES0xo3EwbzAdBgNVHQ4E
FgQUl/FkIn/wE0edH1c/irE+DafrozwwHwYDVR0jBBgwFoAUl/FkIn/wE0edH1c/
irE+DafrozwwDwYDVR0TAQH/BAUwAwEB/zAcBgNVHREEFTATghFmaXhlZC5leGFt
cGxlLmNvbTAFBgMrZXADQQCe9BfuDZwn+hyXhy5FndzqhT0QM8N968ZwEeVM/42h
jStafrqzEmtb9r/vCn3Tm0fKK0TvrgKWaKrWsi2zScIA
-----END CERTIFICATE-----
)";
  const std::string_view key = R"(-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEII9L4Wekx4gzMPkCqRxSks6QkuMGEA53SiAJDmnMkKAS
-----END PRIVATE KEY-----
)";
  const auto result = Certificate::from_pem(certificate, key);
  REQUIRE(result.has_value());
  CHECK(
      (*result)->fingerprint() == "1e7f845ad74808be1d69d6ae0faa4cdf7848d27ac2002f7b7751fea3ec29d9d8"
  );
  CHECK((*result)->names() == std::vector{"fixed.example.com"s});
}

}  // namespace
}  // namespace cppx::tls
