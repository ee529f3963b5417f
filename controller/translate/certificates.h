#pragma once

#include <map>
#include <memory>
#include <string>

#include "controller/cache/store.h"
#include "controller/model/objects.h"
#include "tls/certificate.h"

namespace cppx::controller {

/// The certificate of a Secret, or why there is none.
struct CertificateLookup {
  std::shared_ptr<const tls::Certificate> certificate;  ///< Null when it cannot be used.
  std::string reason;   ///< "SecretNotFound", "SecretWrongType", "InvalidCertificate"
  std::string message;  ///< For a person.
};

/// Parsed certificates by Secret, kept between translations: a Secret that did not change is not
/// parsed again, and its certificate stays the same object.
class CertificateCache {
 public:
  /// Parses when the Secret is not the one of the last call. The reference is valid until the next
  /// call for the Secret.
  const CertificateLookup& find(const Store& store, const ObjectKey& secret);

  /// Nobody refers to the Secret any more.
  void forget(const ObjectKey& secret) { entries_.erase(secret); }

 private:
  struct Entry {
    std::shared_ptr<const Secret> secret;  // null: there was none
    CertificateLookup lookup;
  };
  std::map<ObjectKey, Entry> entries_;
};

}  // namespace cppx::controller
