#pragma once

#include <span>

#include "controller/translate/settings_reader.h"

namespace cppx::controller {

/// The keys about clients: whom they are taken for, and how much of them there may be.
std::span<const SettingsReader> client_settings_readers() noexcept;

}  // namespace cppx::controller
