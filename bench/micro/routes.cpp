#include <fmt/format.h>
#include <malloc.h>

#include <cmath>
#include <cstdint>
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

enum class Traffic {
  kEven,     ///< Any host as often as any other: the caches help little.
  kPopular,  ///< The n-th host comes in proportion to 1/n (Zipf), as traffic does.
};

std::size_t pick_host(std::mt19937_64& random, std::size_t hosts, Traffic traffic) {
  if (traffic == Traffic::kEven) return random() % hosts;
  const double share = std::uniform_real_distribution<double>(0, 1)(random);
  const auto rank = static_cast<std::size_t>(std::pow(static_cast<double>(hosts), share)) - 1;
  // Popular hosts are not neighbours.
  return (rank * 7919 + 13) % hosts;
}

/// In random order of hosts and paths, but each next to the one before it in memory: a worker has
/// its request in the cache when it looks up the route.
std::vector<Request> make_requests(std::size_t hosts, std::size_t paths, Traffic traffic) {
  constexpr std::size_t kRequests = 1'000'000;
  std::mt19937_64 random(1);
  std::vector<Request> requests;
  requests.reserve(kRequests);
  for (std::size_t i = 0; i < kRequests; ++i) {
    const std::string path = path_name(random() % paths);
    requests.push_back(
        {.host = host_name(pick_host(random, hosts, traffic)),
         .path = path == "/" ? "/index" : path + "/17"}
    );
  }
  return requests;
}

void bench_table(std::size_t hosts, std::size_t paths, Traffic traffic) {
  const std::size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
  const RoutingTable table = make_table(hosts, paths);
  const std::size_t bytes = mallinfo2().uordblks + mallinfo2().hblkhd - before;
  const std::vector<Request> requests = make_requests(hosts, paths, traffic);
  std::size_t found = 0;
  const double ns = nanoseconds_per_step(requests.size(), [&](std::size_t i, std::size_t end) {
    // The next request is chosen by the answer to this one, so that look-ups do not overlap.
    while (i < end) {
      const routing::RouteMatch match = table.match(requests[i].host, requests[i].path);
      found += match.route != nullptr ? 1 : 0;
      i += 1 + (reinterpret_cast<std::uintptr_t>(match.host) & 1);
    }
  });
  if (found != requests.size())
    fmt::print("error: {} of {} requests found\n", found, requests.size());
  fmt::print(
      "match at {} hosts x {} paths, {} traffic: {:.1f} ns, {} bytes a host\n", hosts, paths,
      traffic == Traffic::kEven ? "even" : "popular", ns, bytes / hosts
  );
}

}  // namespace

void bench_routes() {
  for (const Traffic traffic : {Traffic::kPopular, Traffic::kEven}) {
    for (const std::size_t hosts : {1UL, 1'000UL, 100'000UL, 1'000'000UL})
      bench_table(hosts, 1, traffic);
    bench_table(10'000, 10, traffic);
    bench_table(1'000, 100, traffic);
  }
}

}  // namespace cppx::bench
