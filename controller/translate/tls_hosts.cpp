#include "controller/translate/tls_hosts.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "controller/cache/store.h"
#include "controller/model/objects.h"
#include "controller/translate/certificates.h"
#include "controller/translate/diagnostic.h"
#include "controller/translate/diagnostic_list.h"
#include "controller/translate/hosts.h"
#include "controller/translate/names.h"
#include "tls/certificate.h"

namespace cppx::controller {
namespace {

using tls::Certificate;

std::string expired_message(const ObjectKey& secret, const Certificate& certificate) {
  return fmt::format(
      "the certificate of Secret {} expired on {:%Y-%m-%d}; it is served all the same",
      secret.to_string(),
      std::chrono::time_point_cast<std::chrono::seconds>(certificate.not_after())
  );
}

std::string secret_field(std::size_t entry) {
  return fmt::format("spec.tls[{}].secretName", entry);
}

// The entry that lists the host, if one does.
std::optional<std::size_t> find_entry(const Ingress& ingress, const std::string& host) {
  for (std::size_t i = 0; i < ingress.tls.size(); ++i)
    if (std::ranges::any_of(ingress.tls[i].hosts, [&](const std::string& listed) {
          return iequals(listed, host);
        }))
      return i;
  return std::nullopt;
}

}  // namespace

TlsPlanner::TlsPlanner(
    const Store& store, CertificateCache& certificates, std::chrono::system_clock::time_point now,
    DiagnosticList& diagnostics
)
    : store_(store), certificates_(certificates), now_(now), diagnostics_(diagnostics) {
  certificates_.begin();
}

const CertificateLookup& TlsPlanner::find(const ObjectKey& secret) {
  secrets_.insert(secret);
  return certificates_.find(store_, secret);
}

std::shared_ptr<const Certificate> TlsPlanner::default_certificate(
    const std::optional<ObjectKey>& secret, std::shared_ptr<const Certificate> self_made
) {
  if (!secret) return self_made;
  const CertificateLookup& found = find(*secret);
  Diagnostic diagnostic;
  diagnostic.kind = Kind::kSecret;
  diagnostic.object = *secret;
  if (found.certificate == nullptr) {
    diagnostic.reason = found.reason;
    diagnostic.message = fmt::format(
        "{}; a self-made certificate takes the place of --default-ssl-certificate", found.message
    );
    diagnostics_.add(std::move(diagnostic));
    return self_made;
  }
  if (found.certificate->expired(now_)) {
    diagnostic.reason = "CertificateExpired";
    diagnostic.message = expired_message(*secret, *found.certificate);
    diagnostics_.add(std::move(diagnostic));
  }
  return found.certificate;
}

void TlsPlanner::plan(
    const std::vector<SelectedIngress>& ingresses,
    const std::shared_ptr<const Certificate>& fallback, HostPlan& hosts
) {
  for (const SelectedIngress& selected : ingresses) {
    if (selected.ingress->tls.empty()) continue;
    check_entries(*selected.ingress);
    for (const IngressRule& rule : selected.ingress->rules) {
      const auto name = normalize_ingress_host(rule.host);
      if (!name || *name == "_") continue;  // without a name there is no SNI to tell it by
      plan_host(selected, *name, hosts.find(*name)->second, fallback);
    }
  }
}

void TlsPlanner::check_entries(const Ingress& ingress) {
  for (std::size_t i = 0; i < ingress.tls.size(); ++i) {
    const std::string& name = ingress.tls[i].secret_name;
    if (name.empty()) continue;
    const ObjectKey key{ingress.meta.key.ns, name};
    const CertificateLookup& found = find(key);
    if (found.certificate == nullptr)
      diagnostics_.warn(
          ingress, secret_field(i), found.reason,
          fmt::format("{}; the default certificate is used", found.message)
      );
    else if (found.certificate->expired(now_))
      diagnostics_.warn(
          ingress, secret_field(i), "CertificateExpired", expired_message(key, *found.certificate)
      );
  }
}

void TlsPlanner::plan_host(
    const SelectedIngress& selected, const std::string& name, PlannedHost& host,
    const std::shared_ptr<const Certificate>& fallback
) {
  if (host.tls_owner == &selected) return;
  if (host.tls_owner != nullptr) {
    const auto entry = find_entry(*selected.ingress, name);
    if (!entry || selected.ingress->tls[*entry].secret_name.empty()) return;
    const ObjectKey secret{
        selected.ingress->meta.key.ns, selected.ingress->tls[*entry].secret_name
    };
    const auto& other = find(secret).certificate;
    if (other == nullptr || other->fingerprint() == host.certificate->fingerprint()) return;
    diagnostics_.warn(
        *selected.ingress, fmt::format("spec.tls[{}]", *entry), "TlsConflict",
        fmt::format(
            "the certificate of host {} is decided by Ingress {}, which comes first", name,
            host.tls_owner->ingress->meta.key.to_string()
        )
    );
    return;
  }
  host.tls_owner = &selected;
  host.certificate = choose(*selected.ingress, name);
  if (host.certificate == nullptr) host.certificate = fallback;
}

std::shared_ptr<const Certificate> TlsPlanner::choose(
    const Ingress& ingress, const std::string& host
) {
  const auto key_of = [&](const IngressTls& entry) {
    return ObjectKey{ingress.meta.key.ns, entry.secret_name};
  };
  if (const auto i = find_entry(ingress, host)) {
    const IngressTls& entry = ingress.tls[*i];
    if (entry.secret_name.empty()) return nullptr;
    const auto& certificate = find(key_of(entry)).certificate;
    if (certificate == nullptr || certificate->covers(host)) return certificate;
    diagnostics_.warn(
        ingress, secret_field(*i), "CertificateHostMismatch",
        fmt::format(
            "the certificate of Secret {} does not cover host {}; the default certificate is used",
            key_of(entry).to_string(), host
        )
    );
    return nullptr;
  }
  for (const IngressTls& entry : ingress.tls) {
    if (entry.secret_name.empty()) continue;
    const auto& certificate = find(key_of(entry)).certificate;
    if (certificate != nullptr && certificate->covers(host)) return certificate;
  }
  diagnostics_.warn(
      ingress, "spec.tls", "HostNotInTls",
      fmt::format(
          "host {} is in no hosts list and no Secret covers it; the default certificate is used",
          host
      )
  );
  return nullptr;
}

}  // namespace cppx::controller
