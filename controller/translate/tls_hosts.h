#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

#include "controller/cache/store.h"
#include "controller/model/objects.h"
#include "controller/translate/certificates.h"
#include "controller/translate/diagnostic_list.h"
#include "controller/translate/hosts.h"
#include "controller/translate/selection.h"
#include "tls/certificate.h"

namespace cppx::controller {

/// Chooses the certificate of every host from the `tls` sections of its Ingresses: the oldest one
/// that has such a section decides. What cannot be used is reported and the default certificate
/// takes its place. Knows which Ingresses refer to which Secret.
class TlsPlanner {
 public:
  using Time = std::chrono::system_clock::time_point;

  /// Starts an update. Borrows the store until the next one.
  void begin(const Store& store, Time now);
  /// Whether a certificate has expired since the last update, so that what was said of it is no
  /// longer true; or the clock went back.
  [[nodiscard]] bool time_matters(Time now) const noexcept;

  void add(const SelectedIngress& selected);
  void remove(const SelectedIngress& selected);
  /// Ingresses of ours that refer to the Secret.
  [[nodiscard]] std::set<ObjectKey> users_of(const ObjectKey& secret) const;
  /// Ends an update: forgets what nobody refers to any more.
  void finish();

  /// --default-ssl-certificate, or `self_made` when there is none or it cannot be used.
  std::shared_ptr<const tls::Certificate> default_certificate(
      const std::optional<ObjectKey>& secret, std::shared_ptr<const tls::Certificate> self_made,
      DiagnosticList& diagnostics
  );
  /// Reports the Secrets of the Ingress that cannot be used.
  void check(const SelectedIngress& selected, DiagnosticList& diagnostics);
  /// Sets tls_owner and certificate. `members` in order of precedence.
  void plan(
      const std::string& name, const Members& members,
      const std::shared_ptr<const tls::Certificate>& fallback, PlannedHost& host,
      DiagnosticList& diagnostics
  );

  /// Secrets that are referred to, there or not; the same object while they do not change.
  std::shared_ptr<const std::set<ObjectKey>> secrets();

 private:
  /// The first entry of spec.tls that lists a host, by host in lower case.
  using Listed = std::map<std::string, std::size_t, std::less<>>;
  /// The certificate of the first entry whose Secret covers a host, by host of the Ingress: of
  /// those that no entry lists, and that one covers.
  using Covered = std::map<std::string_view, std::shared_ptr<const tls::Certificate>>;

  const CertificateLookup& find(const ObjectKey& secret);
  const Listed& listed_by(const SelectedIngress& selected);
  const Covered& covered_by(const SelectedIngress& selected);
  void report_conflict(
      const SelectedIngress& selected, const std::string& name, const PlannedHost& host,
      DiagnosticList& diagnostics
  );
  std::shared_ptr<const tls::Certificate> choose(
      const SelectedIngress& selected, const std::string& host, DiagnosticList& diagnostics
  );

  const Store* store_ = nullptr;
  Time now_;
  Time next_expiry_ = Time::max();
  CertificateCache certificates_;
  std::optional<ObjectKey> default_secret_;
  std::map<ObjectKey, std::set<ObjectKey>> users_;
  std::set<ObjectKey> unused_;                          // perhaps
  std::shared_ptr<const std::set<ObjectKey>> secrets_;  // null: to be made

  // Of the update under way: an Ingress has its entries looked through once, not for each host.
  std::unordered_map<const SelectedIngress*, Listed> listed_;
  std::unordered_map<const SelectedIngress*, Covered> covered_;
};

}  // namespace cppx::controller
