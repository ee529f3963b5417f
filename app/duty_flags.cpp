#include "app/duty_flags.h"

#include <chrono>
#include <string>

#include <CLI/CLI.hpp>

#include "app/flag_values.h"
#include "base/text.h"
#include "controller/duties/duty_options.h"

namespace cppx::app {
namespace {

constexpr const char* kGroup = "What one replica does for all";
constexpr const char* kNameCharacters = "abcdefghijklmnopqrstuvwxyz0123456789-.";
constexpr std::chrono::seconds kLeastTtl{1};
constexpr std::chrono::hours kMostTtl{24};

void add_election_flags(CLI::App& app, RawDutyFlags& raw, controller::DutyOptions& options) {
  app.add_flag(
         "--disable-leader-election{true}", options.disable_leader_election,
         "No replica leads: no status is written, and each sends events [false]"
  )
      ->group(kGroup);
  app.add_option(
         "--election-id", options.election_id,
         "Name of the Lease by which the replicas elect their leader"
  )
      ->group(kGroup)
      ->type_name("NAME")
      ->check(CLI::Validator(
          [](const std::string& text) {
            const bool usable =
                !text.empty() && text.find_first_not_of(kNameCharacters) == std::string::npos;
            return usable ? std::string() : "'" + text + "' is not the name of an object";
          },
          ""
      ))
      ->capture_default_str();
  app.add_option(
         "--election-ttl", raw.election_ttl,
         "Time after which another replica leads when the leader is not heard of"
  )
      ->group(kGroup)
      ->type_name("DURATION")
      ->capture_default_str();
}

void add_status_flags(CLI::App& app, RawDutyFlags& raw, controller::DutyOptions& options) {
  app.add_flag(
         "--update-status{true}", options.update_status,
         "Write into the status of Ingresses where they are served [true]"
  )
      ->group(kGroup);
  app.add_flag(
         "--update-status-on-shutdown{true}", options.update_status_on_shutdown,
         "Remove it again when the last replica ends [true]"
  )
      ->group(kGroup);
  app.add_option(
         "--publish-service", raw.publish_service,
         "Service in front of cppx, whose addresses go into the status"
  )
      ->group(kGroup)
      ->type_name("NS/NAME");
  app.add_option(
         "--publish-status-address", raw.publish_status_address,
         "Addresses and host names that go into the status, comma separated"
  )
      ->group(kGroup)
      ->type_name("ADDRESSES");
  app.add_flag(
         "--report-node-internal-ip-address{true}", options.report_node_internal_ip_address,
         "Of nodes, put the internal address into the status rather than the external one [false]"
  )
      ->group(kGroup);
  app.add_option(
         "--status-update-interval", raw.status_update_interval,
         "Seconds between two looks at the addresses and at all Ingresses"
  )
      ->group(kGroup)
      ->type_name("SECONDS")
      ->check(CLI::Range(5, 86400))
      ->capture_default_str();
}

}  // namespace

void add_duty_flags(CLI::App& app, RawDutyFlags& raw, controller::DutyOptions& options) {
  add_election_flags(app, raw, options);
  add_status_flags(app, raw, options);
  app.add_flag(
         "--disable-sync-events{true}", options.disable_sync_events,
         "No event \"Scheduled for sync\" for each new or changed Ingress [false]"
  )
      ->group(kGroup);
}

void fill_duties(controller::DutyOptions& options, const RawDutyFlags& raw) {
  options.election_ttl = duration("--election-ttl", raw.election_ttl, kLeastTtl, kMostTtl);
  options.publish_service = object_key("--publish-service", raw.publish_service);
  for (const auto address : split_list(raw.publish_status_address))
    options.publish_status_address.emplace_back(address);
  if (options.publish_service && !options.publish_status_address.empty())
    throw CLI::ValidationError(
        "--publish-service", "cannot be used together with --publish-status-address"
    );
  options.status_update_interval = std::chrono::seconds(raw.status_update_interval);
}

}  // namespace cppx::app
