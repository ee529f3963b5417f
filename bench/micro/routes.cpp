#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "bench/micro/benches.h"
#include "bench/micro/measure.h"
#include "routing/match/routing_table.h"

namespace cppx::bench {
namespace {

using routing::RoutingTable;
using routing::VirtualHost;

std::string host_name(std::size_t i) {
  return fmt::format("svc-{}.team-{}.apps.example.com", i, i % 97);
}

std::string path_name(std::size_t i) {
  return i == 0 ? "/" : fmt::format("/api/v{}/resource-{}", i % 3, i);
}

RoutingTable make_table(std::size_t hosts, std::size_t paths) {
  std::vector<std::shared_ptr<const VirtualHost>> list;
  for (std::size_t i = 0; i < hosts; ++i) {
    auto host = std::make_shared<VirtualHost>();
    host->name = host_name(i);
    for (std::size_t p = 0; p < paths; ++p) {
      routing::Route route;
      route.path = path_name(p);
      host->add_route(std::move(route));
    }
    list.push_back(std::move(host));
  }
  return RoutingTable(std::move(list));
}

struct Request {
  std::string host;
  std::string path;
};

/// In random order of hosts and paths, but each next to the one before it in memory: a worker has
/// its request in the cache when it looks up the route.
std::vector<Request> make_requests(std::size_t hosts, std::size_t paths) {
  constexpr std::size_t kRequests = 1'000'000;
  std::mt19937_64 random(1);
  std::vector<Request> requests;
  requests.reserve(kRequests);
  for (std::size_t i = 0; i < kRequests; ++i) {
    const std::string path = path_name(random() % paths);
    requests.push_back(
        {.host = host_name(random() % hosts), .path = path == "/" ? "/index" : path + "/17"}
    );
  }
  return requests;
}

std::size_t resident_bytes() {
  std::ifstream in("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  in >> total >> resident;
  return resident * 4096;
}

void bench_table(std::size_t hosts, std::size_t paths, double miss_share) {
  const std::size_t before = resident_bytes();
  const RoutingTable table = make_table(hosts, paths);
  const std::size_t bytes = resident_bytes() - std::min(before, resident_bytes());
  std::vector<Request> requests = make_requests(hosts, paths);
  const auto misses = static_cast<std::size_t>(miss_share * static_cast<double>(requests.size()));
  for (std::size_t i = 0; i < misses; ++i)
    requests[i * (requests.size() / misses)].host += ".example.org";
  std::size_t found = 0;
  const double ns = nanoseconds_per_step(requests.size(), [&] {
    // The next request is chosen by the answer to this one, so that look-ups do not overlap.
    for (std::size_t i = 0; i < requests.size();) {
      const routing::RouteMatch match = table.match(requests[i].host, requests[i].path);
      found += match.route != nullptr ? 1 : 0;
      i += 1 + (reinterpret_cast<std::uintptr_t>(match.host) & 1);
    }
  });
  keep(found);
  fmt::print(
      "match at {} hosts x {} paths{}: {:.1f} ns, {} bytes a host\n", hosts, paths,
      misses > 0 ? ", half of the hosts unknown" : "", ns, bytes / hosts
  );
}

}  // namespace

void bench_routes() {
  for (const std::size_t hosts : {1UL, 1'000UL, 10'000UL, 100'000UL, 1'000'000UL}) bench_table(hosts, 1, 0);
  bench_table(10'000, 10, 0);
  bench_table(1'000, 100, 0);
  bench_table(100'000, 1, 0.5);
}

}  // namespace cppx::bench
