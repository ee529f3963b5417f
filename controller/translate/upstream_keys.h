#pragma once

#include <span>

#include "controller/translate/settings_reader.h"

namespace cppx::controller {

/// The keys about how backends are talked to.
std::span<const SettingsReader> upstream_settings_readers() noexcept;

}  // namespace cppx::controller
