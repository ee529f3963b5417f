#include "tls/self_signed.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/tls/test_pki.h"

namespace cppx::tls {
namespace {

using namespace std::string_literals;
using namespace std::chrono_literals;

X509Ptr parse(const std::string& pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  X509Ptr result(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  REQUIRE(result != nullptr);
  return result;
}

TEST_CASE("make_self_signed_pem: names, dates, key and purpose are as asked", "[tls]") {
  const auto before = std::chrono::system_clock::now();
  const auto pem = make_self_signed_pem({
      .common_name = "demo",
      .organization = "cppx",
      .dns_names = {"a.example.com", "*.b.example.com", "odd,DNS:evil.example"},
      .lifetime = 48h,
  });
  REQUIRE(pem.has_value());
  const auto loaded = Certificate::from_pem(pem->certificate, pem->key);
  REQUIRE(loaded.has_value());
  const Certificate& certificate = **loaded;
  CHECK(certificate.names() == std::vector{"a.example.com"s, "*.b.example.com"s});
  CHECK(certificate.covers("x.b.example.com"));
  CHECK_FALSE(certificate.covers("evil.example"));
  CHECK_FALSE(certificate.covers("demo"));
  CHECK(certificate.not_before() <= before - 59min);
  CHECK(certificate.not_after() > before + 47h + 59min);
  CHECK(certificate.not_after() < before + 48h + 5min);

  const X509Ptr x = parse(pem->certificate);
  const EVP_PKEY* key = X509_get0_pubkey(x.get());
  CHECK(EVP_PKEY_get_base_id(key) == EVP_PKEY_EC);
  CHECK(EVP_PKEY_get_bits(key) == 256);
  CHECK(X509_get_version(x.get()) == 2);
  CHECK(X509_verify(x.get(), X509_get0_pubkey(x.get())) == 1);
  CHECK(X509_check_purpose(x.get(), X509_PURPOSE_SSL_SERVER, 0) == 1);
  CHECK(X509_check_ca(x.get()) == 0);
  CHECK((X509_get_extension_flags(x.get()) & EXFLAG_INVALID) == 0);
  CHECK(ERR_peek_error() == 0);
}

TEST_CASE("make_self_signed_pem: a client that trusts it verifies it", "[tls]") {
  const auto pem = make_self_signed_pem({.common_name = "demo", .dns_names = {"a.example.com"}});
  REQUIRE(pem.has_value());
  const X509Ptr x = parse(pem->certificate);
  X509_STORE* trusted = X509_STORE_new();
  X509_STORE_CTX* context = X509_STORE_CTX_new();
  REQUIRE(X509_STORE_add_cert(trusted, x.get()) == 1);
  REQUIRE(X509_STORE_CTX_init(context, trusted, x.get(), nullptr) == 1);
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context);
  X509_VERIFY_PARAM_set1_host(parameters, "a.example.com", 0);
  X509_VERIFY_PARAM_set_purpose(parameters, X509_PURPOSE_SSL_SERVER);
  CHECK(X509_verify_cert(context) == 1);
  CHECK(X509_STORE_CTX_get_error(context) == X509_V_OK);
  X509_STORE_CTX_free(context);
  X509_STORE_free(trusted);
}

TEST_CASE("make_self_signed_pem: serial numbers are positive, random, at most 20 octets", "[tls]") {
  std::vector<std::string> serials;
  for (int i = 0; i < 4; ++i) {
    const auto pem = make_self_signed_pem({.common_name = "demo"});
    REQUIRE(pem.has_value());
    const X509Ptr x = parse(pem->certificate);
    const BignumPtr number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(x.get()), nullptr));
    CHECK(BN_is_negative(number.get()) == 0);
    CHECK(BN_num_bits(number.get()) == 159);
    char* hex = BN_bn2hex(number.get());
    CHECK(std::ranges::find(serials, hex) == serials.end());
    serials.emplace_back(hex);
    OPENSSL_free(hex);
  }
}

TEST_CASE("make_self_signed_pem: a common name that no certificate can hold is an error", "[tls]") {
  const auto pem = make_self_signed_pem({.common_name = std::string(65, 'a')});
  REQUIRE_FALSE(pem.has_value());
  CHECK(pem.error().code == Errc::kTls);
  CHECK(pem.error().detail.find("subject") != std::string::npos);
  CHECK(ERR_peek_error() == 0);
}

TEST_CASE("make_default_certificate: known to users of ingress-nginx by its name", "[tls]") {
  const auto first = make_default_certificate();
  const auto second = make_default_certificate();
  REQUIRE(first.has_value());
  REQUIRE(second.has_value());
  CHECK((*first)->names() == std::vector{"ingress.local"s});
  CHECK((*first)->fingerprint() != (*second)->fingerprint());
  const auto now = std::chrono::system_clock::now();
  CHECK_FALSE((*first)->expired(now + 24h * 364));
  CHECK((*first)->expired(now + 24h * 366));
}

TEST_CASE(
    "make_issued_pem: the authority vouches for the certificate, and for nothing else", "[tls]"
) {
  const auto issued = make_issued_pem(
      {.common_name = "hook", .organization = {}, .dns_names = {"hook.ns.svc"}, .lifetime = 48h}
  );
  REQUIRE(issued.has_value());
  const auto loaded = Certificate::from_pem(issued->pair.certificate, issued->pair.key);
  REQUIRE(loaded.has_value());
  CHECK((*loaded)->covers("hook.ns.svc"));
  const X509Ptr authority = parse(issued->authority);
  const X509Ptr leaf = parse(issued->pair.certificate);
  CHECK(X509_check_ca(authority.get()) == 1);
  CHECK(X509_check_ca(leaf.get()) == 0);
  CHECK(X509_verify(leaf.get(), X509_get0_pubkey(authority.get())) == 1);
  CHECK(X509_check_issued(authority.get(), leaf.get()) == X509_V_OK);
  CHECK(X509_check_purpose(leaf.get(), X509_PURPOSE_SSL_SERVER, 0) == 1);
  CHECK_FALSE(Certificate::from_pem(issued->authority, issued->pair.key).has_value());
  CHECK(ERR_peek_error() == 0);
}

}  // namespace
}  // namespace cppx::tls
