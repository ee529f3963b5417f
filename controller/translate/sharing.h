#pragma once

#include <map>
#include <memory>
#include <string>

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
  /// Hosts were removed.
  void hosts_changed() noexcept { table_ = nullptr; }
  /// The certificate of a host, or the default one, is another.
  void certificates_changed() noexcept { sni_ = nullptr; }

  std::shared_ptr<const routing::RoutingTable> routing_table(const HostBook& book);
  std::shared_ptr<const tls::SniTable> sni_table(
      const HostBook& book, const std::shared_ptr<const tls::Certificate>& fallback
  );
  std::shared_ptr<const routing::ProxySettings> settings(const routing::ProxySettings& settings);

 private:
  std::shared_ptr<const routing::RoutingTable> table_;  // null: to be made
  std::shared_ptr<const tls::SniTable> sni_;            // the same
  std::shared_ptr<const routing::ProxySettings> settings_;
};

}  // namespace cppx::controller
