#include "proxy/worker/connection_limit.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdint>

#include "routing/settings.h"

namespace cppx::proxy {
namespace {

// Listeners, loops, the API server, the health server, manifests.
constexpr std::uint64_t kForOthers = 256;

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

std::uint64_t connection_limit(
    const routing::ProxySettings& settings, std::uint64_t open_files_of_worker
) noexcept {
  std::uint64_t files = open_files_of_worker;
  if (settings.max_worker_open_files != 0)
    files = std::min<std::uint64_t>(files, settings.max_worker_open_files);
  std::uint64_t limit = files / 2;
  if (settings.max_worker_connections != 0)
    limit = std::min<std::uint64_t>(limit, settings.max_worker_connections);
  return std::max<std::uint64_t>(limit, 1);
}

}  // namespace cppx::proxy
