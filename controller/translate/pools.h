#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/model/objects.h"
#include "controller/translate/diagnostic_list.h"
#include "controller/translate/translate.h"
#include "routing/balance/sip_hash.h"
#include "routing/endpoint/endpoint.h"
#include "routing/match/route.h"

namespace cppx::controller {

/// A pool in the making. The index is known once all pools are (PoolBuilder::finish).
struct PlannedPool {
  routing::EndpointPool pool;
  routing::PoolIndex index = routing::kDefaultBackend;
  bool needs_hashes = false;  ///< A route asks for them.
  /// By `appProtocol` of the Service's port, where no annotation says otherwise.
  routing::BackendProtocol protocol = routing::BackendProtocol::kHttp;
  routing::SipKey hash_key;  ///< Of EndpointHashes.
};

/// "80" or "http": as the Ingress has it.
std::string to_string(const PortRef& port);

/// Turns Services, EndpointSlices and resolved names into pools, one for each Service port that is
/// asked for. Borrows the input for one translation.
class PoolBuilder {
 public:
  PoolBuilder(
      const TranslateInput& input, const TranslateOptions& options, DiagnosticList& diagnostics
  );

  /// The pool of the Service port; made at the first call for it. Valid as long as the builder.
  /// With hashes if any caller needs them.
  const PlannedPool& pool_of(
      const std::string& ns, const std::string& service, const PortRef& port,
      bool needs_hashes = false
  );

  /// Gives every pool its index and returns them sorted by name; those equal to one of `last` are
  /// that one.
  std::vector<std::shared_ptr<const routing::EndpointPool>> finish(
      const std::vector<std::shared_ptr<const routing::EndpointPool>>& last
  );

  /// Names of ExternalName Services that need an address.
  std::set<std::string> take_external_names() { return std::move(external_names_); }

 private:
  using Slices = std::vector<const EndpointSlice*>;

  void fill(PlannedPool& planned, const ObjectKey& key, const PortRef& port);
  void fill_from_slices(
      routing::EndpointPool& pool, const Service& service, const ServicePort& port
  );
  void fill_external(routing::EndpointPool& pool, const Service& service, const PortRef& port);
  void resolve_external(
      routing::EndpointPool& pool, const Service& service, const std::string& name,
      std::uint16_t port
  );
  [[nodiscard]] const Slices& slices_of(const ObjectKey& service) const;
  [[nodiscard]] routing::SipKey hash_key_of(const ObjectKey& key, std::string_view pool) const;

  const TranslateInput& input_;
  const TranslateOptions& options_;
  DiagnosticList& diagnostics_;
  std::map<ObjectKey, Slices> slices_;
  std::map<std::string, PlannedPool, std::less<>> pools_;
  std::set<std::string> external_names_;
};

}  // namespace cppx::controller
