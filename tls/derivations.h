#pragma once

#include <openssl/core.h>

namespace cppx::tls {

/// The key derivations of TLS 1.2 and 1.3 by key_derivation.h, as a provider of OpenSSL offers them
/// (OSSL_OP_KDF); ended by an empty entry.
const OSSL_ALGORITHM* derivations() noexcept;

}  // namespace cppx::tls
