#pragma once

#include <openssl/types.h>

#include <cstdint>

namespace cppx::tls {

/// Which end of a TLS connection cppx is.
enum class Side : std::uint8_t { kServer, kClient };

/// To be called before anything else of OpenSSL, at the start of a program: keeps its table of
/// legacy names, some hundred that TLS here never asks for, out of every library context. Without
/// the call everything works and handshakes cost some percent more.
void leave_out_legacy_names() noexcept;

/// The library context of OpenSSL that connections of this side belong to, for SSL_CTX_new_ex(),
/// and with the server's everything that is used by one: keys and certificates. OpenSSL's default
/// provider is behind both, but for what cppx has itself (derivations.h, x25519.h); the server's
/// has only what TLS needs, as libssl walks over all names of its context several times in a
/// handshake, and no groups of finite fields.
///
/// Null, OpenSSL's default one, when its configuration file says which providers or properties to
/// use: then they are used. Logged once. Any thread.
OSSL_LIB_CTX* library(Side side) noexcept;

}  // namespace cppx::tls
