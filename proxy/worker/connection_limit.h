#pragma once

#include <cstdint>

#include "routing/settings.h"

namespace cppx::proxy {

/// Lets the process open as many files as it may (the soft limit becomes the hard one), and returns
/// how many.
std::uint64_t raise_open_files_limit() noexcept;

/// What one worker may open of them; the rest is for everything else.
std::uint64_t open_files_of_worker(std::uint64_t of_process, std::uint32_t workers) noexcept;

/// What a worker has open, and may have.
struct OpenSockets {
  std::uint64_t clients = 0;
  std::uint64_t all = 0;  ///< To backends too.
  std::uint64_t open_files_of_worker = 0;
};

/// Whether a worker takes one more client connection: at most max-worker-connections, and some of
/// the files it may open are kept for connections to backends. The first one is always taken.
bool has_room_for_client(
    const routing::ProxySettings& settings, const OpenSockets& sockets
) noexcept;

/// Whether that is for want of files: an idle connection to a backend should go.
bool lacks_files_for_client(
    const routing::ProxySettings& settings, const OpenSockets& sockets
) noexcept;

/// Whether a connection to a backend is one more than the worker's share of files: an idle client
/// should go.
bool needs_room_for_upstream(
    const routing::ProxySettings& settings, const OpenSockets& sockets
) noexcept;

}  // namespace cppx::proxy
