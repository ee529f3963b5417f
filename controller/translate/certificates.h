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
  /// The reference is valid until the next call of begin().
  const CertificateLookup& find(const Store& store, const ObjectKey& secret);

  /// Starts a translation; what the last one did not ask for is forgotten.
  void begin();

 private:
  struct Entry {
    std::shared_ptr<const Secret> secret;  // null: there was none
    CertificateLookup lookup;
    bool used = false;
  };
  std::map<ObjectKey, Entry> entries_;
};

}  // namespace cppx::controller
