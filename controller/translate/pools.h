#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/model/objects.h"
#include "controller/translate/arrivals.h"
#include "controller/translate/diagnostic_book.h"
#include "controller/translate/diagnostic_list.h"
#include "controller/translate/slice_index.h"
#include "controller/translate/translate.h"
#include "routing/balance/sip_hash.h"
#include "routing/endpoint/endpoint.h"
#include "routing/endpoint/pool_table.h"
#include "routing/match/route.h"

namespace cppx::controller {

/// The pool of one port of one Service, while hosts use it.
struct PlannedPool {
  routing::EndpointPool pool;
  /// Place in Snapshot::pools; set by PoolBook::finish and the same for as long as the pool is used
  /// (but for PoolBook::sort).
  routing::PoolIndex index = routing::kDefaultBackend;
  /// By `appProtocol` of the Service's port, where no annotation says otherwise.
  routing::BackendProtocol protocol = routing::BackendProtocol::kHttp;

  // What follows is PoolBook's own.
  ObjectKey service;
  PortRef port;
  routing::SipKey hash_key;           ///< Of EndpointHashes.
  std::map<std::string, bool> users;  ///< Hosts, and whether they need EndpointHashes.
  std::string external_name;          ///< What was to be resolved, if anything;
  std::optional<std::vector<std::string>> resolved;  ///< and what that had come to.
  DiagnosticBook::List diagnostics;
};

/// "80" or "http": as the Ingress has it.
std::string to_string(const PortRef& port);

/// Turns Services, EndpointSlices and resolved names into pools, one for each Service port that a
/// host uses, and keeps them up. An update: begin(); changed() for what changed; refill(); use()
/// and release() as hosts are planned anew; finish().
class PoolBook {
 public:
  PoolBook(const TranslateOptions& options, DiagnosticBook& diagnostics)
      : options_(options), diagnostics_(diagnostics) {}

  /// Borrows the input until finish().
  void begin(const TranslateInput& input) { input_ = &input; }
  /// Everything may have changed.
  void all_changed();
  void service_changed(const ObjectKey& service) { changed_.insert(service); }
  void slice_changed(const ObjectKey& slice);
  /// Makes the pools of changed Services and names anew. Returns the hosts that use one which is
  /// now another thing for a route: more than its endpoints differs.
  std::set<std::string> refill();

  /// The pool of the Service port for a host, with hashes if any use of it needs them. Valid until
  /// host's release.
  const PlannedPool& use(
      const std::string& host, const std::string& ns, const std::string& service,
      const PortRef& port, bool needs_hashes = false
  );
  /// The host uses none any more, but for those that it asks for again before finish().
  void release(const std::string& host);

  /// Forgets unused pools and gives new ones their index. `join_time` is that of endpoints that are
  /// added to others; nothing: they get none.
  void finish(std::optional<routing::JoinTime> join_time);
  /// Whether so many places of pools() are empty that it should be sorted: every route has to be
  /// made anew then.
  [[nodiscard]] bool is_sparse() const noexcept;
  /// After finish(): gives all pools new indices, by name.
  void sort();

  /// In the order of their indices. No null; an empty place has a pool without a name.
  [[nodiscard]] const routing::PoolTable& pools() const noexcept { return made_; }
  /// Names of ExternalName Services that need an address; the same object while they do not change.
  std::shared_ptr<const std::set<std::string>> external_names();

 private:
  using Pools = std::map<std::string, PlannedPool, std::less<>>;

  void fill(PlannedPool& planned);
  void fill_from(const Service& service, PlannedPool& planned, DiagnosticList& diagnostics);
  void fill_external(const Service& service, PlannedPool& planned, DiagnosticList& diagnostics);
  void resolve_external(
      const Service& service, const std::string& name, std::uint16_t port, PlannedPool& planned,
      DiagnosticList& diagnostics
  );
  void note_external_name(PlannedPool& planned, std::string name);
  void find_changed_names(std::set<PlannedPool*>& out);
  /// Notes the pool for made_ unless it is what `before` (null: nothing) is.
  void make(
      const PlannedPool& planned, const routing::EndpointPool* before, const Arrivals& arrivals
  );
  void drop(PlannedPool& planned);
  [[nodiscard]] routing::SipKey hash_key_of(const ObjectKey& key, std::string_view pool) const;

  const TranslateOptions& options_;
  DiagnosticBook& diagnostics_;
  const TranslateInput* input_ = nullptr;
  SliceIndex slices_;
  Pools pools_;
  std::map<ObjectKey, std::set<PlannedPool*>> by_service_;
  std::map<std::string, std::set<PlannedPool*>> by_name_;  // that have an external_name
  std::map<std::string, std::vector<PlannedPool*>> by_host_;
  std::shared_ptr<const std::set<std::string>> external_names_;  // null: to be made

  routing::PoolTable made_;
  std::set<routing::PoolIndex> free_;  // places of made_

  // Of the update under way.
  std::set<ObjectKey> changed_;
  std::set<PlannedPool*> touched_;
  routing::PoolTable::Changes remade_;
};

}  // namespace cppx::controller
