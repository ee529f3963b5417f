#pragma once

#include <openssl/types.h>

#include <optional>
#include <string>

namespace cppx::tls {

/// Why a private key is not to be signed with, although OpenSSL would: an RSA key that would hold
/// up a worker at each handshake, a damaged one. Nothing if it may be used.
std::optional<std::string> flaw_of(EVP_PKEY* key);

}  // namespace cppx::tls
