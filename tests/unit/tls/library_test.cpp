#include "tls/library.h"

#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/provider.h>

#include <string>
#include <string_view>

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/tls/test_handshake.h"
#include "tls/client_context.h"
#include "tls/openssl.h"

namespace cppx::tls {
namespace {

/// Whether a context has an algorithm under these properties.
template <typename Algorithm>
bool has(
    Algorithm* (*fetch)(OSSL_LIB_CTX*, const char*, const char*), void (*free)(Algorithm*),
    OSSL_LIB_CTX* context, const char* name, const char* properties = nullptr
) {
  const ErrorQueueScope errors;
  Algorithm* const fetched = fetch(context, name, properties);
  free(fetched);
  return fetched != nullptr;
}

constexpr const char* kOwn = "provider=cppx";
constexpr const char* kTheirs = "provider=default";

TEST_CASE("library: cppx's derivations and X25519 are in both, and nowhere else", "[tls]") {
  for (const Side side : {Side::kServer, Side::kClient}) {
    OSSL_LIB_CTX* const context = library(side);
    REQUIRE(context != nullptr);
    CAPTURE(static_cast<int>(side));
    for (const char* name : {"TLS13-KDF", "TLS1-PRF"}) {
      CHECK(has(EVP_KDF_fetch, EVP_KDF_free, context, name, kOwn));
      CHECK_FALSE(has(EVP_KDF_fetch, EVP_KDF_free, context, name, kTheirs));
    }
    CHECK(has(EVP_KEYMGMT_fetch, EVP_KEYMGMT_free, context, "X25519", kOwn));
    CHECK(has(EVP_KEYEXCH_fetch, EVP_KEYEXCH_free, context, "X25519", kOwn));
    CHECK_FALSE(has(EVP_KEYMGMT_fetch, EVP_KEYMGMT_free, context, "X25519", kTheirs));
    CHECK(has(EVP_KEYMGMT_fetch, EVP_KEYMGMT_free, context, "EC", kTheirs));
  }
  CHECK(library(Side::kServer) != library(Side::kClient));
  CHECK_FALSE(has(EVP_KDF_fetch, EVP_KDF_free, nullptr, "TLS13-KDF", kOwn));
  CHECK(has(EVP_KDF_fetch, EVP_KDF_free, nullptr, "TLS13-KDF"));
}

TEST_CASE("library: the server's has what TLS needs, the client's all there is", "[tls]") {
  OSSL_LIB_CTX* const server = library(Side::kServer);
  OSSL_LIB_CTX* const client = library(Side::kClient);
  for (const char* name : {"AES-128-GCM", "AES-256-GCM", "AES-128-CCM", "ChaCha20-Poly1305"}) {
    CHECK(has(EVP_CIPHER_fetch, EVP_CIPHER_free, server, name));
    CHECK(has(EVP_CIPHER_fetch, EVP_CIPHER_free, client, name));
  }
  for (const char* name : {"AES-128-CBC", "CAMELLIA-256-CBC", "DES-EDE3-CBC"}) {
    CHECK_FALSE(has(EVP_CIPHER_fetch, EVP_CIPHER_free, server, name));
    CHECK(has(EVP_CIPHER_fetch, EVP_CIPHER_free, client, name));
  }
  for (const char* name : {"SHA1", "SHA2-256", "SHA2-384", "SHA2-512"})
    CHECK(has(EVP_MD_fetch, EVP_MD_free, server, name));
  CHECK_FALSE(has(EVP_MD_fetch, EVP_MD_free, server, "BLAKE2B-512"));
  CHECK(has(EVP_MD_fetch, EVP_MD_free, client, "BLAKE2B-512"));
  CHECK_FALSE(has(EVP_KDF_fetch, EVP_KDF_free, server, "SCRYPT"));
  for (const char* name : {"RSA", "RSA-PSS", "EC", "ED25519", "ED448", "X448"})
    CHECK(has(EVP_KEYMGMT_fetch, EVP_KEYMGMT_free, server, name));
}

TEST_CASE(
    "library: a certificate's keys are of the server's, not to be taken over there", "[tls]"
) {
  const auto context = ServerContext::create().value();
  for (const test::KeyKind kind :
       {test::KeyKind::kP256, test::KeyKind::kP384, test::KeyKind::kRsa2048, test::KeyKind::kEd25519
       }) {
    CAPTURE(static_cast<int>(kind));
    const SniTable table(test::certificate_named("fallback", kind));
    const test::Connection connection(*context, table, {});
    REQUIRE(connection.established());
    const auto provider_of = [](const EVP_PKEY* key) {
      return std::string_view(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(key)));
    };
    CHECK(provider_of(SSL_get_privatekey(connection.server())) == "cppx");
    CHECK(provider_of(X509_get0_pubkey(SSL_get_certificate(connection.server()))) == "cppx");
  }
}

TEST_CASE("ServerContext: no handshake with a group of a finite field", "[tls]") {
  const auto context = ServerContext::create().value();
  const SniTable table(test::certificate_named("fallback"));
  for (const char* groups : {"ffdhe2048", "ffdhe8192"}) {
    CAPTURE(groups);
    const test::Connection alone(
        *context, table, {.min_version = TLS1_3_VERSION, .client_groups = groups}
    );
    CHECK_FALSE(alone.established());
    CHECK(alone.client_error() == SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE);
    const test::Connection first(
        *context, table,
        {.min_version = TLS1_3_VERSION, .client_groups = std::string(groups) + ":P-521"}
    );
    CHECK(first.established());
  }
  for (const char* groups : {"X25519", "P-256", "X448", "P-384", "P-521"}) {
    CAPTURE(groups);
    const test::Connection connection(
        *context, table, {.min_version = TLS1_3_VERSION, .client_groups = groups}
    );
    CHECK(connection.established());
  }
}

}  // namespace
}  // namespace cppx::tls
