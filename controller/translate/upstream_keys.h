#pragma once

#include <span>
#include <string_view>

#include "controller/translate/proxy_settings.h"

namespace cppx::controller {

/// Reads one ConfigMap key: takes the trimmed value and says whether it is good; changes nothing
/// when it is not.
struct SettingsReader {
  std::string_view name;
  bool (*read)(GlobalSettings&, std::string_view);
};

/// The keys about how backends are talked to.
std::span<const SettingsReader> upstream_settings_readers() noexcept;

}  // namespace cppx::controller
