#pragma once

#include <cstdint>

#include "routing/settings.h"

namespace cppx::proxy {

/// Lets the process open as many files as it may (the soft limit becomes the hard one), and returns
/// how many.
std::uint64_t raise_open_files_limit() noexcept;

/// What one worker may open of them; the rest is for everything else.
std::uint64_t open_files_of_worker(std::uint64_t of_process, std::uint32_t workers) noexcept;

/// How many client connections a worker takes: max-worker-connections, and at most half of the
/// files it may open, as each may need a connection to a backend. Never none.
std::uint64_t connection_limit(
    const routing::ProxySettings& settings, std::uint64_t open_files_of_worker
) noexcept;

}  // namespace cppx::proxy
