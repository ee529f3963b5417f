#include "tls/x25519.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rand.h>

#include <array>
#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "tls/algorithm.h"

namespace cppx::tls {
namespace {

constexpr const char* kName = "X25519";
constexpr std::size_t kKeyBytes = 32;
using KeyBytes = std::array<unsigned char, kKeyBytes>;

/// What key pairs are made with: OpenSSL's functions for keys and for the exchange. There is one
/// provider, and no other way to them from the functions below.
struct Theirs {
  void* context = nullptr;  // of the provider
  OSSL_FUNC_keymgmt_new_fn* new_key = nullptr;
  OSSL_FUNC_keymgmt_free_fn* free_key = nullptr;
  OSSL_FUNC_keymgmt_import_fn* import = nullptr;
  OSSL_FUNC_keyexch_newctx_fn* new_exchange = nullptr;
  OSSL_FUNC_keyexch_freectx_fn* free_exchange = nullptr;
  OSSL_FUNC_keyexch_init_fn* init = nullptr;
  OSSL_FUNC_keyexch_set_peer_fn* set_peer = nullptr;
  OSSL_FUNC_keyexch_derive_fn* derive = nullptr;
  void* base_point = nullptr;  // as a key

  void take(const OSSL_DISPATCH* keys, const OSSL_DISPATCH* exchange) noexcept;
  [[nodiscard]] bool complete() const noexcept {
    return new_key != nullptr && free_key != nullptr && import != nullptr &&
           new_exchange != nullptr && free_exchange != nullptr && init != nullptr &&
           set_peer != nullptr && derive != nullptr;
  }
};
Theirs theirs;

/// The end of the table, which has no function, for what is not in it.
const OSSL_DISPATCH* find(const OSSL_DISPATCH* function, int id) noexcept {
  while (function->function_id != 0 && function->function_id != id) ++function;
  return function;
}

void Theirs::take(const OSSL_DISPATCH* keys, const OSSL_DISPATCH* exchange) noexcept {
  new_key = OSSL_FUNC_keymgmt_new(find(keys, OSSL_FUNC_KEYMGMT_NEW));
  free_key = OSSL_FUNC_keymgmt_free(find(keys, OSSL_FUNC_KEYMGMT_FREE));
  import = OSSL_FUNC_keymgmt_import(find(keys, OSSL_FUNC_KEYMGMT_IMPORT));
  new_exchange = OSSL_FUNC_keyexch_newctx(find(exchange, OSSL_FUNC_KEYEXCH_NEWCTX));
  free_exchange = OSSL_FUNC_keyexch_freectx(find(exchange, OSSL_FUNC_KEYEXCH_FREECTX));
  init = OSSL_FUNC_keyexch_init(find(exchange, OSSL_FUNC_KEYEXCH_INIT));
  set_peer = OSSL_FUNC_keyexch_set_peer(find(exchange, OSSL_FUNC_KEYEXCH_SET_PEER));
  derive = OSSL_FUNC_keyexch_derive(find(exchange, OSSL_FUNC_KEYEXCH_DERIVE));
}

struct KeyDeleter {
  void operator()(void* key) const noexcept { theirs.free_key(key); }
};
using Key = std::unique_ptr<void, KeyDeleter>;

struct ExchangeDeleter {
  void operator()(void* exchange) const noexcept { theirs.free_exchange(exchange); }
};
using Exchange = std::unique_ptr<void, ExchangeDeleter>;

/// What is to be generated.
struct Generation {
  bool pair;
};
std::array<Generation, 2> generations = {{{.pair = false}, {.pair = true}}};

/// Null for what this provider does not have.
const OSSL_ALGORITHM* algorithm_of(const OSSL_PROVIDER* provider, int operation) noexcept {
  int no_cache = 0;
  const OSSL_ALGORITHM* algorithm = OSSL_PROVIDER_query_operation(provider, operation, &no_cache);
  for (; algorithm != nullptr && algorithm->algorithm_names != nullptr; ++algorithm)
    if (first_name(*algorithm) == kName) return algorithm;
  return nullptr;
}

/// Those that work on a key, whoever made it. All that make key pairs are ours: what OpenSSL adds
/// to its own would be given a context that is none of its own.
bool works_on_keys(int function) noexcept {
  switch (function) {
    case OSSL_FUNC_KEYMGMT_NEW:
    case OSSL_FUNC_KEYMGMT_LOAD:
    case OSSL_FUNC_KEYMGMT_FREE:
    case OSSL_FUNC_KEYMGMT_GET_PARAMS:
    case OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS:
    case OSSL_FUNC_KEYMGMT_SET_PARAMS:
    case OSSL_FUNC_KEYMGMT_SETTABLE_PARAMS:
    case OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME:
    case OSSL_FUNC_KEYMGMT_HAS:
    case OSSL_FUNC_KEYMGMT_VALIDATE:
    case OSSL_FUNC_KEYMGMT_MATCH:
    case OSSL_FUNC_KEYMGMT_IMPORT:
    case OSSL_FUNC_KEYMGMT_IMPORT_TYPES:
    case OSSL_FUNC_KEYMGMT_EXPORT:
    case OSSL_FUNC_KEYMGMT_EXPORT_TYPES:
    case OSSL_FUNC_KEYMGMT_DUP:
      return true;
    default:
      return false;
  }
}

/// Null when OpenSSL has failed. It takes both parts of a pair as they are.
Key import(KeyBytes* secret, KeyBytes& open) noexcept {
  std::array<OSSL_PARAM, 3> params;
  auto next = params.begin();
  if (secret != nullptr)
    *next++ =
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PRIV_KEY, secret->data(), secret->size());
  *next++ = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, open.data(), open.size());
  *next = OSSL_PARAM_construct_end();
  const int selection =
      secret == nullptr ? OSSL_KEYMGMT_SELECT_PUBLIC_KEY : OSSL_KEYMGMT_SELECT_KEYPAIR;
  Key key(theirs.new_key(theirs.context));
  return key && theirs.import(key.get(), selection, params.data()) == 1 ? std::move(key) : nullptr;
}

/// The x-coordinate of the base point (RFC 7748 4.1).
constexpr KeyBytes kBasePoint = {9};

/// The public key to `secret` (RFC 7748 6.1).
bool multiply_base_point(KeyBytes& secret, KeyBytes& open) noexcept {
  open = kBasePoint;  // OpenSSL makes the public key itself if there is none
  const Key key = import(&secret, open);
  const Exchange exchange(theirs.new_exchange(theirs.context));
  std::size_t size = open.size();
  return key && exchange && theirs.init(exchange.get(), key.get(), nullptr) == 1 &&
         theirs.set_peer(exchange.get(), theirs.base_point) == 1 &&
         theirs.derive(exchange.get(), open.data(), &size, open.size()) == 1 && size == open.size();
}

/// Null when OpenSSL has failed.
Key make_pair() noexcept {
  KeyBytes secret;
  KeyBytes open;
  Key pair;
  if (RAND_priv_bytes(secret.data(), static_cast<int>(secret.size())) == 1) {
    // RFC 7748 5.
    secret.front() &= 0xf8;
    secret.back() &= 0x7f;
    secret.back() |= 0x40;
    if (multiply_base_point(secret, open)) pair = import(&secret, open);
  }
  OPENSSL_cleanse(secret.data(), secret.size());
  return pair;
}

}  // namespace

extern "C" int cppx_x25519_gen_set_params(void*, const OSSL_PARAM params[]) {
  for (const OSSL_PARAM* param = params; param != nullptr && param->key != nullptr; ++param) {
    const bool is_group = std::string_view(param->key) == OSSL_PKEY_PARAM_GROUP_NAME &&
                          param->data_type == OSSL_PARAM_UTF8_STRING;
    if (!is_group || !iequals({static_cast<const char*>(param->data), param->data_size}, kName))
      return 0;
  }
  return 1;
}

// What is made has no state but whether it is to be a pair; libssl asks for a key without, too, to
// put the client's into.
extern "C" void* cppx_x25519_gen_init(void*, int selection, const OSSL_PARAM params[]) {
  const bool pair = (selection & OSSL_KEYMGMT_SELECT_KEYPAIR) != 0;
  return cppx_x25519_gen_set_params(nullptr, params) == 1 ? &generations[pair ? 1 : 0] : nullptr;
}

extern "C" const OSSL_PARAM* cppx_x25519_gen_settable_params(void*, void*) {
  static const std::array<OSSL_PARAM, 2> params = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, nullptr, 0),
      OSSL_PARAM_construct_end()
  };
  return params.data();
}

extern "C" void* cppx_x25519_gen(void* generation, OSSL_CALLBACK*, void*) {
  return static_cast<const Generation*>(generation)->pair ? make_pair().release()
                                                          : theirs.new_key(theirs.context);
}

extern "C" void cppx_x25519_gen_cleanup(void*) {}

X25519::X25519(const OSSL_PROVIDER* provider) noexcept {
  if (provider == nullptr) return;
  const OSSL_ALGORITHM* const keys = algorithm_of(provider, OSSL_OP_KEYMGMT);
  const OSSL_ALGORITHM* const exchange = algorithm_of(provider, OSSL_OP_KEYEXCH);
  if (keys == nullptr || exchange == nullptr || !build_keys(keys->implementation)) return;
  theirs.take(keys->implementation, exchange->implementation);
  if (!theirs.complete()) return;
  theirs.context = OSSL_PROVIDER_get0_provider_ctx(provider);
  KeyBytes base_point = kBasePoint;
  theirs.base_point = import(nullptr, base_point).release();
  if (theirs.base_point == nullptr) return;
  keys_[0] = {keys->algorithm_names, kOwnAlgorithm, key_functions_.data(), "RFC 7748"};
  exchange_[0] = {exchange->algorithm_names, kOwnAlgorithm, exchange->implementation, "RFC 7748"};
  usable_ = true;
}

bool X25519::build_keys(const OSSL_DISPATCH* functions) noexcept {
  const std::array<OSSL_DISPATCH, 5> ours = {{
      {OSSL_FUNC_KEYMGMT_GEN_INIT, reinterpret_cast<ProviderFunction>(&cppx_x25519_gen_init)},
      {OSSL_FUNC_KEYMGMT_GEN_SET_PARAMS,
       reinterpret_cast<ProviderFunction>(&cppx_x25519_gen_set_params)},
      {OSSL_FUNC_KEYMGMT_GEN_SETTABLE_PARAMS,
       reinterpret_cast<ProviderFunction>(&cppx_x25519_gen_settable_params)},
      {OSSL_FUNC_KEYMGMT_GEN, reinterpret_cast<ProviderFunction>(&cppx_x25519_gen)},
      {OSSL_FUNC_KEYMGMT_GEN_CLEANUP, reinterpret_cast<ProviderFunction>(&cppx_x25519_gen_cleanup)},
  }};
  std::size_t count = 0;
  for (const OSSL_DISPATCH& function : ours) key_functions_[count++] = function;
  for (; functions->function_id != 0; ++functions) {
    if (!works_on_keys(functions->function_id)) continue;
    if (count + 1 == key_functions_.size()) return false;  // the last one is the end
    key_functions_[count++] = *functions;
  }
  return true;
}

}  // namespace cppx::tls
