#pragma once

#include <optional>
#include <span>
#include <string>

#include "controller/model/objects.h"
#include "controller/translate/diagnostic_list.h"
#include "controller/translate/settings_reader.h"
#include "routing/log/access_log_settings.h"

namespace cppx::controller {

/// What the keys about the access log say, some of them about the same thing.
struct AccessLogKeys {
  bool disabled = false;
  bool http_disabled = false;
  std::optional<std::string> path;
  std::optional<std::string> http_path;
  bool escape_json = false;
  bool escape_none = false;
  std::optional<std::string> format;

  /// Puts them together in `out`. Variables of the format that are not known are reported.
  void apply(
      const ConfigMap& config_map, routing::AccessLogSettings& out, DiagnosticList& diagnostics
  ) const;
};

std::span<const SettingsReader> access_log_settings_readers() noexcept;

}  // namespace cppx::controller
