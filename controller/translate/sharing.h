#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "controller/translate/diagnostic_book.h"
#include "controller/translate/hosts.h"
#include "controller/translate/policies.h"
#include "routing/match/routing_table.h"
#include "routing/settings.h"
#include "tls/certificate.h"
#include "tls/sni_table.h"

namespace cppx::controller {

/// A host while Ingresses have a say in it, and what was made of it last.
struct HostEntry {
  Members members;
  PlannedHost plan;
  bool has_tls = false;  ///< As planned last; tells a change.
  DiagnosticBook::List diagnostics;
  std::shared_ptr<const routing::VirtualHost> made;
};

/// By name, "_" among them.
using HostBook = std::map<std::string, HostEntry>;

/// The wildcard host that also takes requests for `name` ("*.example.com"), or an empty text.
std::string wildcard_above(const std::string& name);

/// Makes the parts of a snapshot from what is planned, taking those of the last snapshot that are
/// equal.
class PartMaker {
 public:
  /// Makes the host anew unless it would be equal. The pools have their indices, and all hosts are
  /// planned: a host also has the certificate of the wildcard host above it.
  void make_host(
      const std::string& name, const HostBook& book, HostEntry& host, PolicyMaker& policies
  );
  void remove_host(const std::string& name) { changed_hosts_[name] = nullptr; }
  /// The host has another certificate, or none any more (null).
  void set_certificate(const std::string& name, std::shared_ptr<const tls::Certificate> now) {
    changed_certificates_[name] = std::move(now);
  }

  std::shared_ptr<const routing::RoutingTable> routing_table();
  std::shared_ptr<const tls::SniTable> sni_table(
      const std::shared_ptr<const tls::Certificate>& fallback
  );
  std::shared_ptr<const routing::ProxySettings> settings(const routing::ProxySettings& settings);

 private:
  std::shared_ptr<const routing::RoutingTable> table_ =
      std::make_shared<const routing::RoutingTable>();
  std::shared_ptr<const tls::SniTable> sni_;  // null before the first one
  routing::RoutingTable::Changes changed_hosts_;
  tls::SniTable::Changes changed_certificates_;
  std::shared_ptr<const routing::ProxySettings> settings_;
};

}  // namespace cppx::controller
