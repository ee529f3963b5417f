#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "controller/translate/hosts.h"
#include "controller/translate/policies.h"
#include "routing/match/routing_table.h"
#include "routing/settings.h"
#include "tls/certificate.h"
#include "tls/sni_table.h"

namespace cppx::controller {

/// Makes the parts of a snapshot from a plan, taking those of the last snapshot that are equal.
class PartMaker {
 public:
  /// `pools` have their indices (PoolBuilder::finish).
  std::shared_ptr<const routing::RoutingTable> routing_table(
      const HostPlan& plan, PolicyMaker& policies
  );
  std::shared_ptr<const tls::SniTable> sni_table(
      const HostPlan& plan, const std::shared_ptr<const tls::Certificate>& fallback
  );
  std::shared_ptr<const routing::ProxySettings> settings(const routing::ProxySettings& settings);

 private:
  using Host = std::shared_ptr<const routing::VirtualHost>;
  using NamedCertificate = std::pair<std::string, std::shared_ptr<const tls::Certificate>>;

  [[nodiscard]] Host find_last(const std::string& name) const;

  std::shared_ptr<const routing::RoutingTable> table_;
  std::shared_ptr<const tls::SniTable> sni_;
  std::vector<NamedCertificate> sni_names_;  // what sni_ was made of; the fallback is "" at [0]
  std::shared_ptr<const routing::ProxySettings> settings_;
};

}  // namespace cppx::controller
