#include "tls/derivations.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "tls/algorithm.h"
#include "tls/key_derivation.h"
#include "tls/traffic_secrets.h"

namespace cppx::tls {
namespace {

/// What libssl gives along with each derivation.
struct Arguments {
  SuiteHash hash = SuiteHash::kSha256;
  bool hash_given = false;
  int mode = 0;
  std::optional<Bytes> key = std::nullopt;
  std::optional<Bytes> salt = std::nullopt;
  Bytes prefix = {};
  Bytes label = {};
  Bytes context = {};
  std::optional<Bytes> secret = std::nullopt;
  /// libssl has a label and up to five parts for it.
  std::array<Bytes, 8> seeds = {};
  std::size_t seed_count = 0;
};

Bytes octets_of(const OSSL_PARAM& param) noexcept {
  return {static_cast<const unsigned char*>(param.data), param.data_size};
}

/// False for what is not understood: a derivation that ignores a part of what it is asked for is
/// wrong.
bool take(const OSSL_PARAM& param, Arguments& into) noexcept {
  const std::string_view name = param.key;
  if (name == OSSL_KDF_PARAM_DIGEST) {
    if (param.data_type != OSSL_PARAM_UTF8_STRING) return false;
    const auto hash = suite_hash({static_cast<const char*>(param.data), param.data_size});
    into.hash = hash.value_or(into.hash);
    into.hash_given = hash.has_value();
    return into.hash_given;
  }
  if (name == OSSL_KDF_PARAM_MODE) return OSSL_PARAM_get_int(&param, &into.mode) == 1;
  if (name == OSSL_KDF_PARAM_PROPERTIES) return true;
  if (param.data_type != OSSL_PARAM_OCTET_STRING) return false;
  if (name == OSSL_KDF_PARAM_KEY)
    into.key = octets_of(param);
  else if (name == OSSL_KDF_PARAM_SALT)
    into.salt = octets_of(param);
  else if (name == OSSL_KDF_PARAM_PREFIX)
    into.prefix = octets_of(param);
  else if (name == OSSL_KDF_PARAM_LABEL)
    into.label = octets_of(param);
  else if (name == OSSL_KDF_PARAM_DATA)
    into.context = octets_of(param);
  else if (name == OSSL_KDF_PARAM_SECRET)
    into.secret = octets_of(param);
  else if (name == OSSL_KDF_PARAM_SEED && into.seed_count < into.seeds.size())
    into.seeds[into.seed_count++] = octets_of(param);
  else
    return false;
  return true;
}

std::optional<Arguments> arguments(const OSSL_PARAM* params) noexcept {
  Arguments result;
  for (const OSSL_PARAM* param = params; param != nullptr && param->key != nullptr; ++param)
    if (!take(*param, result)) return std::nullopt;
  if (!result.hash_given) return std::nullopt;
  return result;
}

}  // namespace

// A derivation has no state here: the context is a place that is never written to.
extern "C" void* cppx_kdf_new(void*) {
  static char context;
  return &context;
}

extern "C" void cppx_kdf_free(void*) {}

// Everything is given with the derivation itself, as libssl does.
extern "C" int cppx_kdf_set(void*, const OSSL_PARAM params[]) {
  return params == nullptr || params[0].key == nullptr ? 1 : 0;
}

extern "C" int cppx_tls13_kdf(
    void*, unsigned char* out, std::size_t size, const OSSL_PARAM params[]
) {
  const std::optional<Arguments> given = arguments(params);
  if (!given || size == 0) return 0;
  bool derived = false;
  if (given->mode == EVP_KDF_HKDF_MODE_EXTRACT_ONLY)
    derived = hkdf_next_secret(
        given->hash, given->salt, given->key, given->prefix, given->label, {out, size}
    );
  else if (given->mode == EVP_KDF_HKDF_MODE_EXPAND_ONLY && given->key)
    derived = hkdf_expand_label(
        given->hash, *given->key, given->prefix, given->label, given->context, {out, size}
    );
  if (derived) note_secret(given->label, {out, size});
  return derived ? 1 : 0;
}

extern "C" int cppx_tls1_prf(
    void*, unsigned char* out, std::size_t size, const OSSL_PARAM params[]
) {
  const std::optional<Arguments> given = arguments(params);
  if (!given || !given->secret || given->seed_count == 0 || size == 0) return 0;
  prf(given->hash, *given->secret, std::span(given->seeds).first(given->seed_count), {out, size});
  return 1;
}

namespace {

using Functions = std::array<OSSL_DISPATCH, 5>;

/// Of a derivation: all but `derive` is the same for each.
Functions functions_of(OSSL_FUNC_kdf_derive_fn* derive) noexcept {
  return {{
      {OSSL_FUNC_KDF_NEWCTX, reinterpret_cast<ProviderFunction>(&cppx_kdf_new)},
      {OSSL_FUNC_KDF_FREECTX, reinterpret_cast<ProviderFunction>(&cppx_kdf_free)},
      {OSSL_FUNC_KDF_SET_CTX_PARAMS, reinterpret_cast<ProviderFunction>(&cppx_kdf_set)},
      {OSSL_FUNC_KDF_DERIVE, reinterpret_cast<ProviderFunction>(derive)},
      {0, nullptr},
  }};
}

}  // namespace

const OSSL_ALGORITHM* derivations() noexcept {
  static const Functions tls13 = functions_of(cppx_tls13_kdf);
  static const Functions tls1 = functions_of(cppx_tls1_prf);
  static const std::array<OSSL_ALGORITHM, 3> all = {{
      {OSSL_KDF_NAME_TLS1_3_KDF, kOwnAlgorithm, tls13.data(), "RFC 8446 7.1"},
      {OSSL_KDF_NAME_TLS1_PRF, kOwnAlgorithm, tls1.data(), "RFC 5246 5"},
      {nullptr, nullptr, nullptr, nullptr},
  }};
  return all.data();
}

}  // namespace cppx::tls
