#include "controller/translate/tls_hosts.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"
#include "controller/cache/store.h"
#include "controller/model/objects.h"
#include "controller/translate/certificates.h"
#include "controller/translate/diagnostic.h"
#include "controller/translate/diagnostic_list.h"
#include "controller/translate/hosts.h"
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

std::set<ObjectKey> secrets_of(const Ingress& ingress) {
  std::set<ObjectKey> out;
  for (const IngressTls& entry : ingress.tls)
    if (!entry.secret_name.empty()) out.insert({ingress.meta.key.ns, entry.secret_name});
  return out;
}

// Each once, where it is named first.
std::vector<ObjectKey> secrets_in_order(const Ingress& ingress) {
  std::vector<ObjectKey> out;
  std::set<std::string_view> known;
  for (const IngressTls& entry : ingress.tls)
    if (!entry.secret_name.empty() && known.insert(entry.secret_name).second)
      out.push_back({ingress.meta.key.ns, entry.secret_name});
  return out;
}

}  // namespace

void TlsPlanner::begin(const Store& store, Time now) {
  store_ = &store;
  if (time_matters(now)) next_expiry_ = Time::max();
  now_ = now;
}

bool TlsPlanner::time_matters(Time now) const noexcept { return now < now_ || now >= next_expiry_; }

void TlsPlanner::add(const SelectedIngress& selected) {
  for (const ObjectKey& secret : secrets_of(*selected.ingress)) {
    const auto [it, is_new] = users_.try_emplace(secret);
    it->second.insert(selected.ingress->meta.key);
    if (is_new) secrets_ = nullptr;
  }
}

void TlsPlanner::remove(const SelectedIngress& selected) {
  for (const ObjectKey& secret : secrets_of(*selected.ingress)) {
    const auto it = users_.find(secret);
    if (it == users_.end()) continue;
    it->second.erase(selected.ingress->meta.key);
    if (it->second.empty()) unused_.insert(secret);
  }
}

std::set<ObjectKey> TlsPlanner::users_of(const ObjectKey& secret) const {
  const auto it = users_.find(secret);
  return it == users_.end() ? std::set<ObjectKey>() : it->second;
}

void TlsPlanner::finish() {
  listed_.clear();
  covered_.clear();
  for (const ObjectKey& secret : std::exchange(unused_, {})) {
    const auto it = users_.find(secret);
    if (it == users_.end() || !it->second.empty()) continue;
    users_.erase(it);
    secrets_ = nullptr;
    if (secret != default_secret_) certificates_.forget(secret);
  }
}

std::shared_ptr<const std::set<ObjectKey>> TlsPlanner::secrets() {
  if (secrets_ == nullptr) {
    std::set<ObjectKey> all;
    for (const auto& [secret, users] : users_) all.insert(secret);
    if (default_secret_) all.insert(*default_secret_);
    secrets_ = std::make_shared<const std::set<ObjectKey>>(std::move(all));
  }
  return secrets_;
}

const CertificateLookup& TlsPlanner::find(const ObjectKey& secret) {
  const CertificateLookup& found = certificates_.find(*store_, secret);
  if (found.certificate != nullptr && !found.certificate->expired(now_))
    next_expiry_ = std::min<Time>(next_expiry_, found.certificate->not_after());
  return found;
}

std::shared_ptr<const Certificate> TlsPlanner::default_certificate(
    const std::optional<ObjectKey>& secret, std::shared_ptr<const Certificate> self_made,
    DiagnosticList& diagnostics
) {
  if (!secret) return self_made;
  if (default_secret_ != secret) secrets_ = nullptr;
  default_secret_ = secret;
  const CertificateLookup& found = find(*secret);
  Diagnostic diagnostic;
  diagnostic.kind = Kind::kSecret;
  diagnostic.object = *secret;
  if (found.certificate == nullptr) {
    diagnostic.reason = found.reason;
    diagnostic.message = fmt::format(
        "{}; a self-made certificate takes the place of --default-ssl-certificate", found.message
    );
    diagnostics.add(std::move(diagnostic));
    return self_made;
  }
  if (found.certificate->expired(now_)) {
    diagnostic.reason = "CertificateExpired";
    diagnostic.message = expired_message(*secret, *found.certificate);
    diagnostics.add(std::move(diagnostic));
  }
  return found.certificate;
}

void TlsPlanner::check(const SelectedIngress& selected, DiagnosticList& diagnostics) {
  const Ingress& ingress = *selected.ingress;
  for (std::size_t i = 0; i < ingress.tls.size(); ++i) {
    const std::string& name = ingress.tls[i].secret_name;
    if (name.empty()) continue;
    const ObjectKey key{ingress.meta.key.ns, name};
    const CertificateLookup& found = find(key);
    if (found.certificate == nullptr)
      diagnostics.warn(
          ingress, secret_field(i), found.reason,
          fmt::format("{}; the default certificate is used", found.message)
      );
    else if (found.certificate->expired(now_))
      diagnostics.warn(
          ingress, secret_field(i), "CertificateExpired", expired_message(key, *found.certificate)
      );
  }
}

void TlsPlanner::plan(
    const std::string& name, const Members& members,
    const std::shared_ptr<const Certificate>& fallback, PlannedHost& host,
    DiagnosticList& diagnostics
) {
  if (name == "_") return;  // without a name there is no SNI to tell it by
  for (const SelectedIngress* selected : members) {
    if (selected->ingress->tls.empty()) continue;
    if (host.tls_owner != nullptr) {
      report_conflict(*selected, name, host, diagnostics);
      continue;
    }
    host.tls_owner = selected;
    host.certificate = choose(*selected, name, diagnostics);
    if (host.certificate == nullptr) host.certificate = fallback;
  }
}

void TlsPlanner::report_conflict(
    const SelectedIngress& selected, const std::string& name, const PlannedHost& host,
    DiagnosticList& diagnostics
) {
  const Ingress& ingress = *selected.ingress;
  const Listed& listed = listed_by(selected);
  const auto entry = listed.find(name);
  if (entry == listed.end() || ingress.tls[entry->second].secret_name.empty()) return;
  const auto& other =
      find({ingress.meta.key.ns, ingress.tls[entry->second].secret_name}).certificate;
  if (other == nullptr || other->fingerprint() == host.certificate->fingerprint()) return;
  diagnostics.warn(
      ingress, fmt::format("spec.tls[{}]", entry->second), "TlsConflict",
      fmt::format(
          "the certificate of host {} is decided by Ingress {}, which comes first", name,
          host.tls_owner->ingress->meta.key.to_string()
      )
  );
}

const TlsPlanner::Listed& TlsPlanner::listed_by(const SelectedIngress& selected) {
  const auto [it, is_new] = listed_.try_emplace(&selected);
  if (!is_new) return it->second;
  const auto& entries = selected.ingress->tls;
  for (std::size_t i = 0; i < entries.size(); ++i)
    for (const std::string& host : entries[i].hosts) it->second.try_emplace(to_lower(host), i);
  return it->second;
}

// Looks up the names of a certificate among those that are wanted, or the hosts in the certificate,
// whichever are fewer: there may be many thousand of both, and as many certificates.
const TlsPlanner::Covered& TlsPlanner::covered_by(const SelectedIngress& selected) {
  const auto [it, is_new] = covered_.try_emplace(&selected);
  Covered& covered = it->second;
  if (!is_new) return covered;
  const Listed& listed = listed_by(selected);
  std::vector<std::string_view> hosts;
  std::map<std::string, std::vector<std::string_view>> wanted;  // name: the hosts it covers
  for (const auto& [host, rules] : selected.hosts) {
    if (host == kCatchAll || listed.contains(host)) continue;
    hosts.push_back(host);
    for (std::string& name : tls::covering_names(host)) wanted[std::move(name)].push_back(host);
  }
  for (const ObjectKey& secret : secrets_in_order(*selected.ingress)) {
    const auto& certificate = find(secret).certificate;
    if (certificate == nullptr) continue;
    if (hosts.size() <= certificate->names().size()) {
      std::erase_if(hosts, [&](const std::string_view host) {
        if (!certificate->covers(host)) return false;
        covered.try_emplace(host, certificate);
        return true;
      });
      continue;
    }
    for (const std::string& name : certificate->names()) {
      const auto now_covered = wanted.extract(name);
      if (now_covered.empty()) continue;
      for (const std::string_view host : now_covered.mapped())
        covered.try_emplace(host, certificate);
    }
  }
  return covered;
}

std::shared_ptr<const Certificate> TlsPlanner::choose(
    const SelectedIngress& selected, const std::string& host, DiagnosticList& diagnostics
) {
  const Ingress& ingress = *selected.ingress;
  const Listed& listed = listed_by(selected);
  if (const auto it = listed.find(host); it != listed.end()) {
    const std::string& name = ingress.tls[it->second].secret_name;
    if (name.empty()) return nullptr;
    const ObjectKey secret{ingress.meta.key.ns, name};
    const auto& certificate = find(secret).certificate;
    if (certificate == nullptr || certificate->covers(host)) return certificate;
    diagnostics.warn(
        ingress, secret_field(it->second), "CertificateHostMismatch",
        fmt::format(
            "the certificate of Secret {} does not cover host {}; the default certificate is used",
            secret.to_string(), host
        )
    );
    return nullptr;
  }
  const Covered& covered = covered_by(selected);
  if (const auto it = covered.find(host); it != covered.end()) return it->second;
  diagnostics.warn(
      ingress, "spec.tls", "HostNotInTls",
      fmt::format(
          "host {} is in no hosts list and no Secret covers it; the default certificate is used",
          host
      )
  );
  return nullptr;
}

}  // namespace cppx::controller
