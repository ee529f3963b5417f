#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "base/error.h"
#include "controller/kube/api_client.h"
#include "controller/kube/task.h"
#include "controller/model/objects.h"
#include "tls/self_signed.h"

namespace cppx::controller {

struct OwnCertificateOptions {
  ObjectKey service;          ///< The certificate is for <name>.<ns>.svc.
  std::string configuration;  ///< ValidatingWebhookConfiguration to be told; empty: none.
  std::chrono::hours lifetime{24 * 365};
  std::chrono::hours renew_before{24 * 122};  ///< That much before its end it is replaced.
  std::chrono::milliseconds look{30'000};     ///< Between looks at the Secret and what is told.
  std::chrono::milliseconds retry{2'000};     ///< After a look that did not come to its end.
  /// Whether this replica may replace the Secret and patch the configuration.
  std::function<bool()> may_write = [] { return true; };
};

/// The webhook's certificate, made here and kept in the Secret <service>-certificate of the
/// service's namespace (tls.crt, tls.key, ca.crt), so that all replicas show the same one: who
/// creates the Secret first has made it. Its authority goes into the caBundle of the
/// configuration's webhooks; a new certificate is shown only when that is done. While a certificate
/// is replaced, the bundle holds the old authority as well: replicas need not be in step.
///
/// Without the right to keep a Secret the certificate lives as long as the process.
class OwnCertificate {
 public:
  /// Takes each certificate that is to be shown.
  using Show = std::function<void(const tls::PemPair&)>;

  OwnCertificate(ApiClient& client, OwnCertificateOptions options, Show show);
  OwnCertificate(const OwnCertificate&) = delete;
  OwnCertificate& operator=(const OwnCertificate&) = delete;

  /// Looks for ever; ends when cancelled.
  Task<void> run();
  /// One look. An error says in one line what did not work; it is tried again.
  Task<Result<void>> look();

 private:
  struct Kept {
    tls::PemPair pair;
    std::string bundle;  // PEM, the newest authority first
    std::string resource_version;
  };

  Task<Result<Kept>> find_or_make();
  Task<Result<Kept>> store(Kept made, bool replace);
  Task<Result<void>> tell(std::string bundle);
  [[nodiscard]] Result<Kept> make() const;
  [[nodiscard]] Result<Kept> in_memory(const std::string& why);
  [[nodiscard]] std::string secret_target(bool with_name) const;

  ApiClient& client_;
  OwnCertificateOptions options_;
  Show show_;
  std::string name_;
  std::string secret_name_;
  std::optional<Kept> memory_;
  std::string shown_;  // certificate in PEM
  std::string last_trouble_;
};

}  // namespace cppx::controller
