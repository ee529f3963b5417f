#include "tls/key_flaw.h"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tls/library.h"
#include "tls/openssl.h"

namespace cppx::tls {
namespace {

/// A worker does nothing else while it signs: 60 ms with this one (four times as long if its
/// numbers do not belong together), five times as long with one of twice the length.
constexpr int kLongestRsaBits = 8192;

bool is_rsa(const EVP_PKEY* key) {
  const int type = EVP_PKEY_get_base_id(key);
  return type == EVP_PKEY_RSA || type == EVP_PKEY_RSA_PSS;
}

struct ParametersDeleter {
  void operator()(OSSL_PARAM* parameters) const noexcept { OSSL_PARAM_free(parameters); }
};

/// Whether no number of an RSA key is longer than it need be: multiples of p - 1 can be added to an
/// exponent at will, and OpenSSL, which takes it as it comes, then signs for seconds.
bool numbers_are_short(const EVP_PKEY* key) {
  if (!is_rsa(key)) return true;
  constexpr std::size_t kPublicExponentBits = 256;  // FIPS 186-5 A.1.1
  OSSL_PARAM* all = nullptr;
  if (EVP_PKEY_todata(key, EVP_PKEY_KEYPAIR, &all) != 1) return false;
  const std::unique_ptr<OSSL_PARAM, ParametersDeleter> owner(all);
  const auto bits = static_cast<std::size_t>(EVP_PKEY_get_bits(key));
  for (const OSSL_PARAM* number = all; number->key != nullptr; ++number) {
    if (number->data_type != OSSL_PARAM_UNSIGNED_INTEGER) continue;
    const std::string_view name = number->key;
    std::size_t longest_bits = bits;
    if (name == OSSL_PKEY_PARAM_RSA_E) longest_bits = kPublicExponentBits;
    // Factors, their exponents and coefficients: half as long as the modulus, or about that.
    if (name.starts_with("rsa-")) longest_bits = bits * 5 / 8;
    if (number->data_size * 8 > longest_bits + 7) return false;
  }
  return true;
}

/// An elliptic curve key states its public half as well, which alone is compared with the
/// certificate; of a damaged one only the client's "bad signature" would tell.
bool halves_agree(EVP_PKEY* key) {
  if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC) return true;
  const KeyContextPtr context(EVP_PKEY_CTX_new_from_pkey(library(Side::kServer), key, nullptr));
  return context && EVP_PKEY_pairwise_check(context.get()) == 1;
}

}  // namespace

std::optional<std::string> flaw_of(EVP_PKEY* key) {
  if (is_rsa(key) && EVP_PKEY_get_bits(key) > kLongestRsaBits)
    return fmt::format(
        "an RSA key of {} bits is too long ({} at most): each handshake would hold up all others",
        EVP_PKEY_get_bits(key), kLongestRsaBits
    );
  if (!numbers_are_short(key) || !halves_agree(key)) return "the private key is damaged";
  return std::nullopt;
}

}  // namespace cppx::tls
