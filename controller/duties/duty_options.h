#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controller/model/objects.h"

namespace cppx::controller {

/// Flags of what the leader of the replicas does.
struct DutyOptions {
  bool disable_leader_election = false;             ///< --disable-leader-election
  std::string election_id = "cppx-leader";          ///< --election-id: name of the Lease.
  std::chrono::milliseconds election_ttl{30'000};   ///< --election-ttl
  bool update_status = true;                        ///< --update-status
  bool update_status_on_shutdown = true;            ///< --update-status-on-shutdown
  std::chrono::seconds status_update_interval{60};  ///< --status-update-interval
  std::optional<ObjectKey> publish_service;         ///< --publish-service
  std::vector<std::string> publish_status_address;  ///< --publish-status-address
  bool report_node_internal_ip_address = false;     ///< --report-node-internal-ip-address
  bool disable_sync_events = false;                 ///< --disable-sync-events
};

/// What /metrics shows of it.
struct DutyState {
  bool elects = false;      ///< There is an election.
  std::string election_id;  ///< Name of the Lease.
  bool leading = false;
  std::uint64_t statuses_written = 0;
  std::uint64_t status_failures = 0;
  std::uint64_t events_sent = 0;
  std::uint64_t events_dropped = 0;
};

/// How this process ends.
enum class Departure : std::uint8_t {
  kEnds,        ///< Nobody follows on this machine.
  kHandedOver,  ///< A successor serves at the same address.
};

}  // namespace cppx::controller
