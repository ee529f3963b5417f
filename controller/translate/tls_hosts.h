#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controller/cache/store.h"
#include "controller/model/objects.h"
#include "controller/translate/certificates.h"
#include "controller/translate/diagnostic_list.h"
#include "controller/translate/hosts.h"
#include "tls/certificate.h"

namespace cppx::controller {

/// Chooses the certificate of every host from the `tls` sections of its Ingresses: the oldest one
/// that has such a section decides. What cannot be used is reported and the default certificate
/// takes its place.
class TlsPlanner {
 public:
  TlsPlanner(
      const Store& store, CertificateCache& certificates, std::chrono::system_clock::time_point now,
      DiagnosticList& diagnostics
  );

  /// --default-ssl-certificate, or `self_made` when there is none or it cannot be used.
  std::shared_ptr<const tls::Certificate> default_certificate(
      const std::optional<ObjectKey>& secret, std::shared_ptr<const tls::Certificate> self_made
  );

  /// Sets tls_owner and certificate of the hosts. `ingresses` in order of precedence.
  void plan(
      const std::vector<SelectedIngress>& ingresses,
      const std::shared_ptr<const tls::Certificate>& fallback, HostPlan& hosts
  );

  std::set<ObjectKey> take_secrets() { return std::move(secrets_); }

 private:
  const CertificateLookup& find(const ObjectKey& secret);
  void check_entries(const Ingress& ingress);
  void plan_host(
      const SelectedIngress& selected, const std::string& name, PlannedHost& host,
      const std::shared_ptr<const tls::Certificate>& fallback
  );
  std::shared_ptr<const tls::Certificate> choose(const Ingress& ingress, const std::string& host);

  const Store& store_;
  CertificateCache& certificates_;
  std::chrono::system_clock::time_point now_;
  DiagnosticList& diagnostics_;
  std::set<ObjectKey> secrets_;
};

}  // namespace cppx::controller
