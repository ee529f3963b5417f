#include "tls/library.h"

#include <fmt/format.h>
#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/text.h"
#include "tls/algorithm.h"
#include "tls/derivations.h"
#include "tls/openssl.h"
#include "tls/x25519.h"

namespace cppx::tls {
namespace {

constexpr const char* kName = "cppx";
constexpr const char* kTheirs = "default";

bool is_one_of(const OSSL_ALGORITHM& algorithm, const std::vector<std::string_view>& wanted) {
  return std::ranges::any_of(wanted, [&](std::string_view name) {
    return iequals(name, first_name(algorithm));
  });
}

/// Whether TLS 1.2 and 1.3 with clients have a use for it (server_context.cpp). Of keys, signatures
/// and exchanges everything stays: there are few, and a newer OpenSSL has newer ones.
bool server_needs(int operation, const OSSL_ALGORITHM& algorithm) {
  static const std::vector<std::string_view> digests = {
      "SHA1", "SHA2-256", "SHA2-384", "SHA2-512"  // SHA-1 is what OpenSSL knows certificates by
  };
  static const std::vector<std::string_view> ciphers = {
      "AES-128-GCM", "id-aes128-GCM", "AES-256-GCM", "id-aes256-GCM", "AES-128-CCM",
      "id-aes128-CCM",  // where OpenSSL's configuration file asks for its
                        // suites
      "ChaCha20-Poly1305"
  };
  static const std::vector<std::string_view> derivations = {"TLS13-KDF", "TLS1-PRF", "HKDF"};
  static const std::vector<std::string_view> macs = {"HMAC"};
  switch (operation) {
    case OSSL_OP_DIGEST:
      return is_one_of(algorithm, digests);
    case OSSL_OP_CIPHER:
      return is_one_of(algorithm, ciphers);
    case OSSL_OP_KDF:
      return is_one_of(algorithm, derivations);
    case OSSL_OP_MAC:
      return is_one_of(algorithm, macs);
    default:
      return true;
  }
}

/// What cppx's provider offers to one library context: OpenSSL's functions as they are, given their
/// own provider's context, and cppx's in place of some.
class Offer {
 public:
  Offer(const OSSL_PROVIDER* theirs, const X25519& x25519, Side side) {
    for (std::size_t operation = 0; operation < lists_.size(); ++operation)
      fill(static_cast<int>(operation), theirs, x25519, side);
  }

  [[nodiscard]] const OSSL_ALGORITHM* of(int operation) const noexcept {
    const auto index = static_cast<std::size_t>(operation);
    return operation >= 0 && index < lists_.size() ? lists_[index].data() : nullptr;
  }

 private:
  static const OSSL_ALGORITHM* ours(int operation, const X25519& x25519) noexcept {
    switch (operation) {
      case OSSL_OP_KDF:
        return derivations();
      case OSSL_OP_KEYMGMT:
        return x25519.keys();
      case OSSL_OP_KEYEXCH:
        return x25519.exchange();
      default:
        return nullptr;
    }
  }

  void fill(int operation, const OSSL_PROVIDER* theirs, const X25519& x25519, Side side) {
    std::vector<OSSL_ALGORITHM>& list = lists_[static_cast<std::size_t>(operation)];
    int no_cache = 0;
    const OSSL_ALGORITHM* next = OSSL_PROVIDER_query_operation(theirs, operation, &no_cache);
    for (; next != nullptr && next->algorithm_names != nullptr; ++next) {
      if (side == Side::kServer && !server_needs(operation, *next)) continue;
      const OSSL_ALGORITHM* own = ours(operation, x25519);
      while (own != nullptr && own->algorithm_names != nullptr &&
             !iequals(first_name(*own), first_name(*next)))
        ++own;
      list.push_back(own != nullptr && own->algorithm_names != nullptr ? *own : *next);
    }
    list.push_back({});
  }

  std::array<std::vector<OSSL_ALGORITHM>, OSSL_OP__HIGHEST + 1> lists_;
};

/// Never destroyed: sessions of any thread use it until the very end.
struct Libraries {
  const OSSL_PROVIDER* theirs = nullptr;
  std::unique_ptr<X25519> x25519;
  std::unique_ptr<Offer> server_offer;
  std::unique_ptr<Offer> client_offer;
  OSSL_LIB_CTX* server = nullptr;
  OSSL_LIB_CTX* client = nullptr;
};
Libraries& libraries = *new Libraries;

}  // namespace

extern "C" const OSSL_ALGORITHM* cppx_server_query(void*, int operation, int* no_cache) {
  *no_cache = 0;
  return libraries.server_offer->of(operation);
}

extern "C" const OSSL_ALGORITHM* cppx_client_query(void*, int operation, int* no_cache) {
  *no_cache = 0;
  return libraries.client_offer->of(operation);
}

extern "C" int cppx_client_capabilities(
    void*, const char* capability, OSSL_CALLBACK* callback, void* argument
) {
  return OSSL_PROVIDER_get_capabilities(libraries.theirs, capability, callback, argument);
}

namespace {

struct Listener {
  OSSL_CALLBACK* callback;
  void* argument;
};

/// A client that offers ffdhe8192 alone, with any number for its key, has 0.17 s of a worker for a
/// handshake that it need not take part in.
bool is_finite_field_group(const OSSL_PARAM params[]) noexcept {
  const OSSL_PARAM* const algorithm =
      OSSL_PARAM_locate_const(params, OSSL_CAPABILITY_TLS_GROUP_ALG);
  if (algorithm == nullptr || algorithm->data_type != OSSL_PARAM_UTF8_STRING) return false;
  const std::string_view name(static_cast<const char*>(algorithm->data), algorithm->data_size);
  return name.substr(0, name.find('\0')) == "DH";
}

}  // namespace

extern "C" int cppx_on_server_capability(const OSSL_PARAM params[], void* argument) {
  const auto& listener = *static_cast<const Listener*>(argument);
  return is_finite_field_group(params) ? 1 : listener.callback(params, listener.argument);
}

extern "C" int cppx_server_capabilities(
    void*, const char* capability, OSSL_CALLBACK* callback, void* argument
) {
  Listener listener{.callback = callback, .argument = argument};
  return OSSL_PROVIDER_get_capabilities(
      libraries.theirs, capability, cppx_on_server_capability, &listener
  );
}

namespace {

using ProviderFunctions = std::array<OSSL_DISPATCH, 3>;

ProviderFunctions functions_with(
    OSSL_FUNC_provider_query_operation_fn* query,
    OSSL_FUNC_provider_get_capabilities_fn* capabilities
) noexcept {
  return {{
      {OSSL_FUNC_PROVIDER_QUERY_OPERATION, reinterpret_cast<ProviderFunction>(query)},
      {OSSL_FUNC_PROVIDER_GET_CAPABILITIES, reinterpret_cast<ProviderFunction>(capabilities)},
      {0, nullptr},
  }};
}

int begin(const ProviderFunctions& functions, const OSSL_DISPATCH** out, void** context) noexcept {
  *out = functions.data();
  *context = OSSL_PROVIDER_get0_provider_ctx(libraries.theirs);
  return 1;
}

}  // namespace

extern "C" int cppx_server_provider(
    const OSSL_CORE_HANDLE*, const OSSL_DISPATCH*, const OSSL_DISPATCH** out, void** context
) {
  static const ProviderFunctions functions =
      functions_with(cppx_server_query, cppx_server_capabilities);
  return begin(functions, out, context);
}

extern "C" int cppx_client_provider(
    const OSSL_CORE_HANDLE*, const OSSL_DISPATCH*, const OSSL_DISPATCH** out, void** context
) {
  static const ProviderFunctions functions =
      functions_with(cppx_client_query, cppx_client_capabilities);
  return begin(functions, out, context);
}

extern "C" int cppx_note_provider(OSSL_PROVIDER* provider, void* names) {
  static_cast<std::vector<std::string>*>(names)->emplace_back(OSSL_PROVIDER_get0_name(provider));
  return 1;
}

namespace {

/// What the administrator of the machine has configured, which is to be followed; empty without.
std::string configured() {
  if (EVP_default_properties_is_fips_enabled(nullptr) == 1) return "default properties fips=yes";
  std::vector<std::string> names;
  OSSL_PROVIDER_do_all(nullptr, cppx_note_provider, &names);
  // "base" has nothing but encodings, "legacy" nothing that TLS uses.
  std::erase_if(names, [](const std::string& name) { return name == "base" || name == "legacy"; });
  if (names == std::vector<std::string>{kTheirs}) return {};
  return fmt::format("providers {}", fmt::join(names, ", "));
}

OSSL_LIB_CTX* load(OSSL_provider_init_fn* provider) noexcept {
  OSSL_LIB_CTX* made = OSSL_LIB_CTX_new();
  if (made != nullptr && OSSL_PROVIDER_add_builtin(made, kName, provider) == 1 &&
      OSSL_PROVIDER_load(made, kName) != nullptr) {
    // Its table of names takes over the legacy ones when it is first asked, and no more later.
    EVP_MD* const asked = EVP_MD_fetch(made, "SHA2-256", nullptr);
    EVP_MD_free(asked);
    if (asked != nullptr) return made;
  }
  OSSL_LIB_CTX_free(made);
  return nullptr;
}

/// What else a certificate may be signed with: see leave_out_legacy_names().
void add_rare_digests() noexcept {
  for (const EVP_MD* digest :
       {EVP_sha3_224(), EVP_sha3_256(), EVP_sha3_384(), EVP_sha3_512(), EVP_sha512_224(),
        EVP_sha512_256()})
    EVP_add_digest(digest);
}

void make_libraries() {
  if (const std::string set = configured(); !set.empty()) {
    log::info(
        "TLS: OpenSSL is configured ({}) and used as it is, without cppx's own parts of a "
        "handshake",
        set
    );
    return;
  }
  constexpr int kRetainFallbacks = 1;  // others go on taking it unasked
  libraries.theirs = OSSL_PROVIDER_try_load(nullptr, kTheirs, kRetainFallbacks);
  if (libraries.theirs == nullptr) return;
  libraries.x25519 = std::make_unique<X25519>(libraries.theirs);
  libraries.server_offer =
      std::make_unique<Offer>(libraries.theirs, *libraries.x25519, Side::kServer);
  libraries.client_offer =
      std::make_unique<Offer>(libraries.theirs, *libraries.x25519, Side::kClient);
  libraries.server = load(cppx_server_provider);
  libraries.client = load(cppx_client_provider);
}

const Libraries& made_libraries() noexcept {
  static const bool once = [] {
    const ErrorQueueScope errors;
    std::string why;
    try {
      make_libraries();
      why = last_error_text();
      add_rare_digests();
    } catch (const std::exception& error) {
      why = error.what();
    }
    if (libraries.theirs != nullptr && (libraries.server == nullptr || libraries.client == nullptr))
      log::warning(
          "TLS: handshakes cost about a quarter more, cppx's own parts of them cannot be used: {}",
          why
      );
    return true;
  }();
  static_cast<void>(once);
  return libraries;
}

}  // namespace

void leave_out_legacy_names() noexcept {
  OPENSSL_init_crypto(OPENSSL_INIT_NO_ADD_ALL_CIPHERS | OPENSSL_INIT_NO_ADD_ALL_DIGESTS, nullptr);
  // What certificates are signed with is looked for in that table only.
  for (const EVP_MD* digest : {EVP_sha1(), EVP_sha224(), EVP_sha256(), EVP_sha384(), EVP_sha512()})
    EVP_add_digest(digest);
}

OSSL_LIB_CTX* library(Side side) noexcept {
  const Libraries& made = made_libraries();
  return side == Side::kServer ? made.server : made.client;
}

}  // namespace cppx::tls
