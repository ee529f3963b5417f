#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "tls/certificate.h"

namespace cppx::tls {

struct SelfSignedOptions {
  std::string common_name = {};
  std::string organization = {};
  std::vector<std::string> dns_names = {};
  std::chrono::hours lifetime = std::chrono::hours(24 * 365);
};

struct PemPair {
  std::string certificate;
  std::string key;
};

/// A new ECDSA P-256 key and a certificate signed with it.
Result<PemPair> make_self_signed_pem(const SelfSignedOptions& options);

/// A certificate and the one authority that vouches for it.
struct IssuedPem {
  std::string authority;
  PemPair pair;
};

/// A new authority and a certificate signed with it, both for the same lifetime. The authority's
/// key is gone when this returns: it signs nothing else. The certificate alone has the names.
Result<IssuedPem> make_issued_pem(const SelfSignedOptions& options);

/// The certificate presented where no other fits (CN "Kubernetes Ingress Controller Fake
/// Certificate", as users of ingress-nginx know it from error messages), made anew at each start.
Result<std::shared_ptr<const Certificate>> make_default_certificate();

}  // namespace cppx::tls
