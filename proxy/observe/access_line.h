#pragma once

#include <span>
#include <string_view>

#include "proxy/observe/access_facts.h"
#include "proxy/observe/log_clock.h"
#include "routing/log/access_log_settings.h"

namespace cppx::proxy {

/// The line of one request, with its end, in `memory`; a longer one is cut. Pure.
std::string_view access_line(
    const routing::AccessLogSettings& settings, const AccessFacts& facts, const LogClock& clock,
    std::span<char> memory
);

}  // namespace cppx::proxy
