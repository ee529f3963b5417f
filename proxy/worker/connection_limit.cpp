#include "proxy/worker/connection_limit.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdint>

#include "routing/settings.h"

namespace cppx::proxy {
namespace {

// Listeners, loops, the API server, the health server, manifests.
constexpr std::uint64_t kForOthers = 256;
// One file in so many is kept for connections to backends. Clients that wait for nothing need none,
// and those that do may have the files of those.
constexpr std::uint64_t kForUpstreams = 8;

std::uint64_t files_of(const routing::ProxySettings& settings, const OpenSockets& sockets) {
  if (settings.max_worker_open_files == 0) return sockets.open_files_of_worker;
  return std::min<std::uint64_t>(sockets.open_files_of_worker, settings.max_worker_open_files);
}

}  // namespace

std::uint64_t raise_open_files_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : before;
}

std::uint64_t open_files_of_worker(std::uint64_t of_process, std::uint32_t workers) noexcept {
  const std::uint64_t for_others = std::min(kForOthers, of_process / 4);
  return (of_process - for_others) / std::max(workers, 1U);
}

bool has_room_for_client(
    const routing::ProxySettings& settings, const OpenSockets& sockets
) noexcept {
  if (sockets.clients == 0) return true;
  const bool allowed =
      settings.max_worker_connections == 0 || sockets.clients < settings.max_worker_connections;
  return allowed && !lacks_files_for_client(settings, sockets);
}

bool lacks_files_for_client(
    const routing::ProxySettings& settings, const OpenSockets& sockets
) noexcept {
  const std::uint64_t files = files_of(settings, sockets);
  return sockets.all >= files - files / kForUpstreams;
}

bool needs_room_for_upstream(
    const routing::ProxySettings& settings, const OpenSockets& sockets
) noexcept {
  return sockets.all >= files_of(settings, sockets);
}

}  // namespace cppx::proxy
