#pragma once

namespace cppx::tls {

/// For SSL_CTX_new_ex(): what key_derivation.h has is taken from there, everything else from where
/// it is by default. Makes cppx's provider known to OpenSSL when first called; where that cannot be
/// done, which is logged once, the query means the defaults. Any thread.
const char* property_query() noexcept;

}  // namespace cppx::tls
