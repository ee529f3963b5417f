#pragma once

#include <openssl/core.h>
#include <openssl/types.h>

#include <array>
#include <cstddef>

namespace cppx::tls {

/// X25519 (RFC 7748 6.1) as cppx's provider offers it to libssl (library.h): OpenSSL's own, but a
/// new key pair's public key is what the exchange makes of it and the base point. OpenSSL has
/// assembly for that multiplication only, and it is quicker than its other one, with a table
/// (docs/performance.md). Points into itself.
class X25519 {
 public:
  /// What `provider`, OpenSSL's, has of it; it must live on. Its context has to be that of the
  /// provider that offers this. Once in a process.
  explicit X25519(const OSSL_PROVIDER* provider) noexcept;
  X25519(const X25519&) = delete;
  X25519& operator=(const X25519&) = delete;

  // For OSSL_FUNC_provider_query_operation(); null when there is nothing to build on.
  [[nodiscard]] const OSSL_ALGORITHM* keys() const noexcept { return offered(keys_); }
  [[nodiscard]] const OSSL_ALGORITHM* exchange() const noexcept { return offered(exchange_); }

 private:
  using Algorithms = std::array<OSSL_ALGORITHM, 2>;  // and the end

  [[nodiscard]] const OSSL_ALGORITHM* offered(const Algorithms& algorithms) const noexcept {
    return usable_ ? algorithms.data() : nullptr;
  }
  bool build_keys(const OSSL_DISPATCH* functions) noexcept;

  static constexpr std::size_t kFunctionsMax = 24;

  std::array<OSSL_DISPATCH, kFunctionsMax> key_functions_{};
  Algorithms keys_{};
  Algorithms exchange_{};
  bool usable_ = false;
};

}  // namespace cppx::tls
