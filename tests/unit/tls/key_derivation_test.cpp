#include "tls/key_derivation.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/tls/test_handshake.h"
#include "tests/unit/tls/test_records.h"
#include "tls/library.h"

namespace cppx::tls {
namespace {

using Octets = std::vector<unsigned char>;

Octets octets_of_hex(std::string_view text) {
  const std::string octets = test::from_hex(text);
  return {octets.begin(), octets.end()};
}

TEST_CASE("key derivation: TLS 1.3's key schedule of RFC 8448 3", "[tls]") {
  Octets early(32);
  REQUIRE(hkdf_next_secret(
      SuiteHash::kSha256, std::nullopt, std::nullopt, bytes_of("tls13 "), bytes_of("derived"), early
  ));
  CHECK(early == octets_of_hex("33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a"));
  const Octets shared =
      octets_of_hex("8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d");
  Octets handshake(32);
  REQUIRE(hkdf_next_secret(
      SuiteHash::kSha256, Bytes(early), Bytes(shared), bytes_of("tls13 "), bytes_of("derived"),
      handshake
  ));
  CHECK(
      handshake == octets_of_hex("1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac")
  );
  Octets key(16);
  const Octets traffic =
      octets_of_hex("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38");
  REQUIRE(
      hkdf_expand_label(SuiteHash::kSha256, traffic, bytes_of("tls13 "), bytes_of("key"), {}, key)
  );
  CHECK(key == octets_of_hex("3fce516009c21727d0f2e4e86ee403bc"));
}

TEST_CASE(
    "key derivation: SHA-256 of two parts is that of the whole (FIPS 180-4, \"abc\")", "[tls]"
) {
  const auto digest = sha256(bytes_of("a"), bytes_of("bc"));
  CHECK(
      Octets(digest.begin(), digest.end()) ==
      octets_of_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  );
}

TEST_CASE("key derivation: lengths that do not fit their octet are refused", "[tls]") {
  const Octets secret(32);
  Octets out(255 * 32 + 1);
  const std::string long_label(250, 'l');
  const auto expand = [&](std::string_view label, Bytes context, std::size_t size) {
    return hkdf_expand_label(
        SuiteHash::kSha256, secret, bytes_of("tls13 "), bytes_of(label), context,
        MutableBytes(out).first(size)
    );
  };
  CHECK(expand("key", {}, 255 * 32));
  CHECK_FALSE(expand("key", {}, 255 * 32 + 1));
  CHECK(expand(std::string_view(long_label).substr(1), {}, 16));
  CHECK_FALSE(expand(long_label, {}, 16));
  CHECK(expand("key", MutableBytes(out).first(255), 16));
  CHECK_FALSE(expand("key", MutableBytes(out).first(256), 16));
  CHECK_FALSE(hkdf_next_secret(
      SuiteHash::kSha384, std::nullopt, std::nullopt, bytes_of("tls13 "), bytes_of("derived"),
      MutableBytes(out).first(32)
  ));
}

TEST_CASE("key derivation: the hash of a cipher suite by OpenSSL's names", "[tls]") {
  CHECK(suite_hash("SHA2-256") == SuiteHash::kSha256);
  CHECK(suite_hash("sha256") == SuiteHash::kSha256);
  CHECK(suite_hash("SHA384") == SuiteHash::kSha384);
  CHECK(suite_hash("MD5-SHA1") == std::nullopt);
  CHECK(suite_hash("SHA2-256 ") == std::nullopt);
  CHECK(suite_hash("") == std::nullopt);
}

struct KdfDeleter {
  void operator()(EVP_KDF* kdf) const noexcept { EVP_KDF_free(kdf); }
  void operator()(EVP_KDF_CTX* context) const noexcept { EVP_KDF_CTX_free(context); }
};
using KdfPtr = std::unique_ptr<EVP_KDF, KdfDeleter>;

/// What a provider derives; nothing when it refuses.
std::optional<Octets> derived_by(
    const EVP_KDF* kdf, const std::vector<OSSL_PARAM>& params, std::size_t size
) {
  const ErrorQueueScope errors;
  const std::unique_ptr<EVP_KDF_CTX, KdfDeleter> context(EVP_KDF_CTX_new(const_cast<EVP_KDF*>(kdf))
  );
  REQUIRE(context);
  Octets out(size);
  if (EVP_KDF_derive(context.get(), out.data(), out.size(), params.data()) != 1)
    return std::nullopt;
  return out;
}

/// The derivation of this name as cppx and as OpenSSL itself does it.
struct Pair {
  explicit Pair(const char* name)
      : ours(EVP_KDF_fetch(library(Side::kServer), name, "provider=cppx")),
        theirs(EVP_KDF_fetch(nullptr, name, nullptr)) {
    REQUIRE(ours);
    REQUIRE(theirs);
  }

  KdfPtr ours;
  KdfPtr theirs;
};

class Random {
 public:
  std::size_t up_to(std::size_t most) {
    return std::uniform_int_distribution<std::size_t>(0, most)(engine_);
  }
  Octets octets(std::size_t size) {
    Octets result(size);
    for (unsigned char& one : result) one = static_cast<unsigned char>(up_to(255));
    return result;
  }

 private:
  std::mt19937 engine_{20261126};
};

OSSL_PARAM octets_param(const char* name, Octets& value) {
  return OSSL_PARAM_construct_octet_string(name, value.data(), value.size());
}

OSSL_PARAM digest_param(std::string& name) {
  return OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, name.data(), 0);
}

TEST_CASE("derivations: TLS 1.3's derivations are OpenSSL's, whatever the arguments", "[tls]") {
  const Pair kdf("TLS13-KDF");
  Random random;
  for (int i = 0; i < 4'000; ++i) {
    std::string digest = random.up_to(1) == 0 ? "SHA2-256" : "SHA2-384";
    const std::size_t hash = digest == "SHA2-256" ? 32 : 48;
    const bool extract = random.up_to(1) == 0;
    int mode = extract ? EVP_KDF_HKDF_MODE_EXTRACT_ONLY : EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    Octets key = random.octets(1 + random.up_to(200));
    Octets salt = random.octets(1 + random.up_to(60));
    Octets prefix = random.octets(1 + random.up_to(6));
    Octets label = random.octets(1 + random.up_to(12));
    Octets context = random.octets(random.up_to(64));
    std::vector<OSSL_PARAM> params = {
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode), digest_param(digest),
        octets_param(OSSL_KDF_PARAM_PREFIX, prefix), octets_param(OSSL_KDF_PARAM_LABEL, label)
    };
    if (!extract || random.up_to(3) > 0) params.push_back(octets_param(OSSL_KDF_PARAM_KEY, key));
    if (extract && random.up_to(3) > 0) params.push_back(octets_param(OSSL_KDF_PARAM_SALT, salt));
    if (!extract && !context.empty()) params.push_back(octets_param(OSSL_KDF_PARAM_DATA, context));
    params.push_back(OSSL_PARAM_construct_end());
    const std::size_t size = extract ? hash : 1 + random.up_to(3 * hash);
    CAPTURE(i, digest, extract, size, key.size(), salt.size(), label.size(), context.size());
    const auto ours = derived_by(kdf.ours.get(), params, size);
    CHECK(ours.has_value());
    CHECK(ours == derived_by(kdf.theirs.get(), params, size));
  }
}

TEST_CASE("derivations: TLS 1.2's PRF is OpenSSL's, whatever the arguments", "[tls]") {
  const Pair kdf("TLS1-PRF");
  Random random;
  for (int i = 0; i < 4'000; ++i) {
    std::string digest = random.up_to(1) == 0 ? "SHA2-256" : "SHA2-384";
    Octets secret = random.octets(1 + random.up_to(200));
    std::vector<Octets> seeds(1 + random.up_to(5));
    std::vector<OSSL_PARAM> params = {
        digest_param(digest), octets_param(OSSL_KDF_PARAM_SECRET, secret)
    };
    for (Octets& seed : seeds) {
      seed = random.octets(1 + random.up_to(70));
      params.push_back(octets_param(OSSL_KDF_PARAM_SEED, seed));
    }
    params.push_back(OSSL_PARAM_construct_end());
    const std::size_t size = 1 + random.up_to(200);
    CAPTURE(i, digest, size, secret.size(), seeds.size());
    const auto ours = derived_by(kdf.ours.get(), params, size);
    CHECK(ours.has_value());
    CHECK(ours == derived_by(kdf.theirs.get(), params, size));
  }
}

TEST_CASE("derivations: what it does not understand it refuses", "[tls]") {
  const Pair tls13("TLS13-KDF");
  const Pair prf("TLS1-PRF");
  std::string sha256 = "SHA2-256";
  std::string md5 = "MD5";
  int expand = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
  int both = EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND;
  Octets some(32, 1);
  const OSSL_PARAM end = OSSL_PARAM_construct_end();
  const OSSL_PARAM key = octets_param(OSSL_KDF_PARAM_KEY, some);
  const OSSL_PARAM mode = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &expand);
  const OSSL_PARAM secret = octets_param(OSSL_KDF_PARAM_SECRET, some);
  const OSSL_PARAM seed = octets_param(OSSL_KDF_PARAM_SEED, some);
  REQUIRE(derived_by(tls13.ours.get(), {mode, digest_param(sha256), key, end}, 16));
  CHECK_FALSE(derived_by(tls13.ours.get(), {mode, key, end}, 16));
  CHECK_FALSE(derived_by(tls13.ours.get(), {mode, digest_param(sha256), end}, 16));
  CHECK_FALSE(derived_by(tls13.ours.get(), {mode, digest_param(md5), key, end}, 16));
  CHECK_FALSE(derived_by(
      tls13.ours.get(),
      {OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &both), digest_param(sha256), key, end}, 16
  ));
  CHECK_FALSE(derived_by(
      tls13.ours.get(), {mode, digest_param(sha256), key, octets_param("info", some), end}, 16
  ));
  REQUIRE(derived_by(prf.ours.get(), {digest_param(sha256), secret, seed, end}, 16));
  CHECK_FALSE(derived_by(prf.ours.get(), {digest_param(sha256), seed, end}, 16));
  CHECK_FALSE(derived_by(prf.ours.get(), {digest_param(sha256), secret, end}, 16));
  std::vector<OSSL_PARAM> too_many = {digest_param(sha256), secret};
  too_many.insert(too_many.end(), 9, seed);
  too_many.push_back(end);
  CHECK_FALSE(derived_by(prf.ours.get(), too_many, 16));

  const std::unique_ptr<EVP_KDF_CTX, KdfDeleter> context(EVP_KDF_CTX_new(tls13.ours.get()));
  const std::array<OSSL_PARAM, 2> early = {key, end};
  CHECK(EVP_KDF_CTX_set_params(context.get(), early.data()) != 1);
}

}  // namespace
}  // namespace cppx::tls
