#pragma once

#include <cstdint>
#include <string>

#include "controller/duties/duty_options.h"

namespace CLI {
class App;
}

namespace cppx::app {

/// The flags of what one replica does for all, as CLI11 reads them.
struct RawDutyFlags {
  std::string election_ttl = "30s";
  std::string publish_service;
  std::string publish_status_address;
  std::int64_t status_update_interval = 60;
};

/// Both live until the command line is parsed.
void add_duty_flags(CLI::App& app, RawDutyFlags& raw, controller::DutyOptions& options);
/// Checks what was read; a CLI::ValidationError says what cannot be used.
void fill_duties(controller::DutyOptions& options, const RawDutyFlags& raw);

}  // namespace cppx::app
