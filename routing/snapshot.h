#pragma once
// The routing folder: pure data and look-up, no sockets, no threads, no JSON, no OpenSSL.
//
//   Snapshot → ListenerTable (by listener name) → RoutingTable → VirtualHost → PathTrie → Route
//   Route::pool → Snapshot::pools → EndpointPool → EndpointAddress
//
// A Snapshot is what the controller publishes and the workers serve by. It never changes; parts
// that stay equal are shared by successive snapshots. May include: base.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "routing/endpoint/pool_table.h"
#include "routing/match/routing_table.h"
#include "routing/settings.h"

namespace cppx::tls {
class SniTable;
}

namespace cppx::routing {

enum class ListenerProtocol : std::uint8_t { kHttp, kHttps };

/// What one listener serves. All Ingresses share the tables of the listeners "http" and "https"; a
/// Gateway will bring its own.
struct ListenerTable {
  std::string name;
  ListenerProtocol protocol = ListenerProtocol::kHttp;
  std::shared_ptr<const RoutingTable> routes;         ///< Never null.
  std::shared_ptr<const tls::SniTable> certificates;  ///< Never null for kHttps, null for kHttp.
};

inline constexpr std::string_view kHttpListener = "http";
inline constexpr std::string_view kHttpsListener = "https";

struct Snapshot {
  std::uint64_t generation = 0;  ///< Counts up with each one published; 0 before the first.
  std::shared_ptr<const ProxySettings> settings;  ///< Never null.
  /// By PoolIndex, in no order. No null; a place that no route uses has a pool without a name.
  PoolTable pools;
  std::vector<ListenerTable> listeners;

  /// Null when there is no listener of that name.
  [[nodiscard]] const ListenerTable* find_listener(std::string_view name) const noexcept;
};

/// Where the controller puts finished snapshots: the one way the two halves of the program meet.
class SnapshotSink {
 public:
  virtual ~SnapshotSink() = default;
  /// Called on the control thread; returns at once. Snapshots come in order of generation.
  virtual void publish(std::shared_ptr<const Snapshot> snapshot) = 0;
};

}  // namespace cppx::routing
