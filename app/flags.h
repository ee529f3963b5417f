#pragma once
// The app folder: what the command line says and the order in which things start and end. May
// include everything; is included by nothing.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "controller/admission/webhook.h"
#include "controller/controller.h"
#include "controller/explain/request.h"

namespace cppx::app {

/// Exit code when the command line is what is wrong.
inline constexpr int kErrorOfUse = 2;

enum class Command : std::uint8_t { kRun, kDemo, kCheck, kExplain, kRoutes };

/// Of `cppx explain` and `cppx routes`.
struct ExplainFlags {
  controller::ExplainWords words;
  std::string from;   ///< Admin address of a running cppx; empty: manifests or the cluster.
  bool json = false;  ///< --output=json
};

/// What the command line asks for. Names and defaults of the flags are those of ingress-nginx where
/// it has them.
struct Flags {
  Command command = Command::kRun;
  controller::ControllerOptions controller;
  ExplainFlags explain;
  controller::WebhookOptions webhook;  ///< Without an address: none.
  std::string bind_address;
  std::uint16_t http_port = 80;
  std::uint16_t https_port = 443;
  std::string healthz_host;
  std::uint16_t healthz_port = 10254;
  std::string health_check_path = "/healthz";
  std::uint32_t workers = 0;  ///< 0: as many as the process may use CPUs.
  std::chrono::seconds shutdown_grace_period{0};
  std::chrono::seconds worker_shutdown_timeout{240};
  std::uint64_t memory_limit_bytes = 0;  ///< 0: as the cgroup says.
  std::string takeover;                  ///< Unix socket; empty: none.
  log::Level log_level = log::Level::kInfo;
  bool log_json = false;
  std::vector<std::string> ignored;  ///< Flags of ingress-nginx that change nothing here.
};

/// How parsing ended: go on with `flags`, or end the process with `exit_code` (help and version
/// print to standard output and give 0; an error of use prints one line to standard error and gives
/// 2).
struct ParsedFlags {
  std::optional<Flags> flags;
  int exit_code = 0;
};
ParsedFlags parse_flags(int argc, const char* const* argv);

}  // namespace cppx::app
