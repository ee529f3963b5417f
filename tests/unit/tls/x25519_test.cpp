#include <openssl/evp.h>

#include <array>
#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/tls/test_handshake.h"
#include "tls/library.h"
#include "tls/openssl.h"

namespace cppx::tls {
namespace {

using Octets = std::array<unsigned char, 32>;

OSSL_LIB_CTX* ours() {
  OSSL_LIB_CTX* const context = library(Side::kServer);
  REQUIRE(context != nullptr);
  return context;
}
constexpr OSSL_LIB_CTX* kTheirs = nullptr;

/// Null when the provider refuses. `group` as libssl names it.
KeyPtr generated(OSSL_LIB_CTX* by, const char* group = "x25519") {
  const ErrorQueueScope errors;
  const KeyContextPtr context(EVP_PKEY_CTX_new_from_name(by, "X25519", nullptr));
  REQUIRE(context);
  REQUIRE(EVP_PKEY_keygen_init(context.get()) == 1);
  if (EVP_PKEY_CTX_set_group_name(context.get(), group) != 1) return nullptr;
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_generate(context.get(), &key) != 1) return nullptr;
  return KeyPtr(key);
}

Octets part_of(const KeyPtr& key, int (*get)(const EVP_PKEY*, unsigned char*, std::size_t*)) {
  Octets octets{};
  std::size_t size = octets.size();
  REQUIRE(get(key.get(), octets.data(), &size) == 1);
  REQUIRE(size == octets.size());
  return octets;
}

Octets public_part(const KeyPtr& key) { return part_of(key, EVP_PKEY_get_raw_public_key); }
Octets private_part(const KeyPtr& key) { return part_of(key, EVP_PKEY_get_raw_private_key); }

Octets shared_secret(const KeyPtr& key, const Octets& peer, OSSL_LIB_CTX* by) {
  const ErrorQueueScope errors;
  const KeyPtr other(EVP_PKEY_new_raw_public_key_ex(by, "X25519", nullptr, peer.data(), peer.size())
  );
  const KeyContextPtr context(EVP_PKEY_CTX_new_from_pkey(by, key.get(), nullptr));
  REQUIRE(other);
  REQUIRE(context);
  REQUIRE(EVP_PKEY_derive_init(context.get()) == 1);
  REQUIRE(EVP_PKEY_derive_set_peer(context.get(), other.get()) == 1);
  Octets secret{};
  std::size_t size = secret.size();
  REQUIRE(EVP_PKEY_derive(context.get(), secret.data(), &size) == 1);
  REQUIRE(size == secret.size());
  return secret;
}

TEST_CASE("X25519: a new X25519 key has the public key that OpenSSL would give it", "[tls]") {
  std::set<Octets> seen;
  for (int i = 0; i < 200; ++i) {
    const KeyPtr key = generated(ours());
    REQUIRE(key);
    const Octets secret = private_part(key);
    const KeyPtr theirs(
        EVP_PKEY_new_raw_private_key_ex(kTheirs, "X25519", nullptr, secret.data(), secret.size())
    );
    REQUIRE(theirs);
    CHECK(public_part(key) == public_part(theirs));
    // RFC 7748 5.
    CHECK((secret.front() & 0x07U) == 0);
    CHECK((secret.back() & 0xc0U) == 0x40);
    seen.insert(secret);
  }
  CHECK(seen.size() == 200);
}

TEST_CASE("X25519: X25519 with a key of ours and one of OpenSSL's, either way", "[tls]") {
  for (int i = 0; i < 50; ++i) {
    const KeyPtr own = generated(ours());
    const KeyPtr theirs = generated(kTheirs);
    REQUIRE(own);
    REQUIRE(theirs);
    const Octets secret = shared_secret(own, public_part(theirs), ours());
    CHECK(secret == shared_secret(theirs, public_part(own), kTheirs));
    CHECK(secret != Octets{});
  }
}

TEST_CASE("X25519: an X25519 key of another group is refused", "[tls]") {
  CHECK(generated(ours(), "X25519"));
  CHECK_FALSE(generated(ours(), "P-256"));
  CHECK_FALSE(generated(ours(), "x448"));
}

TEST_CASE("X25519: an X25519 key without a pair takes the peer's public key", "[tls]") {
  const ErrorQueueScope errors;
  const KeyPtr peer = generated(kTheirs);
  REQUIRE(peer);
  const KeyContextPtr context(EVP_PKEY_CTX_new_from_name(ours(), "X25519", nullptr));
  EVP_PKEY* made = nullptr;
  REQUIRE(EVP_PKEY_paramgen_init(context.get()) == 1);
  REQUIRE(EVP_PKEY_generate(context.get(), &made) == 1);
  const KeyPtr blank(made);
  Octets open = public_part(peer);
  REQUIRE(EVP_PKEY_set1_encoded_public_key(blank.get(), open.data(), open.size()) == 1);
  CHECK(public_part(blank) == open);
  const KeyPtr own = generated(ours());
  CHECK(shared_secret(own, open, ours()) == shared_secret(peer, public_part(own), kTheirs));
}

TEST_CASE("ServerContext: the first choice is X25519, and P-256 goes as well", "[tls]") {
  const auto context = ServerContext::create().value();
  const SniTable table(test::certificate_named("fallback"));
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const std::string groups : {"", "P-256", "X25519"}) {
      CAPTURE(version, groups);
      // With an ECDSA certificate TLS 1.2 wants its curve among the groups.
      if (version == TLS1_2_VERSION && groups == "X25519") continue;
      test::Connection connection(
          *context, table, {.min_version = version, .max_version = version, .server_groups = groups}
      );
      REQUIRE(connection.established());
      EVP_PKEY* key = nullptr;
      REQUIRE(SSL_get_peer_tmp_key(connection.client(), &key) == 1);
      const KeyPtr owned(key);
      CHECK(EVP_PKEY_is_a(key, groups == "P-256" ? "EC" : "X25519") == 1);
      CHECK(connection.echo());
    }
  }
}

}  // namespace
}  // namespace cppx::tls
