#include <fmt/format.h>
#include <malloc.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/huge_pages.h"
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

enum class Traffic {
  kWarm,  ///< Sixteen hosts ask all the time: what a look-up costs when nothing has to be fetched.
  kPopular,  ///< The n-th host comes in proportion to 1/n (Zipf), as traffic does.
  kCold,     ///< Any host as often as any other: the caches help little.
};

constexpr std::string_view name_of(Traffic traffic) {
  if (traffic == Traffic::kWarm) return "warm";
  return traffic == Traffic::kPopular ? "popular" : "cold";
}

std::size_t pick_host(std::mt19937_64& random, std::size_t hosts, Traffic traffic) {
  if (traffic == Traffic::kCold) return random() % hosts;
  const double share = std::uniform_real_distribution<double>(0, 1)(random);
  const std::size_t rank =
      traffic == Traffic::kWarm
          ? random() % 16
          : static_cast<std::size_t>(std::pow(static_cast<double>(hosts), share)) - 1;
  // Popular hosts are not neighbours.
  return (rank * 7919 + 13) % hosts;
}

/// Hosts and paths in random order, but their text end to end: a worker has its request in the
/// cache when it looks up the route, so reading it must cost nothing here.
class Requests {
 public:
  Requests(std::size_t hosts, std::size_t paths, Traffic traffic) {
    std::mt19937_64 random(1);
    for (std::size_t i = 0; i < kCount; ++i) {
      append(host_name(pick_host(random, hosts, traffic)));
      const std::string path = path_name(random() % paths);
      append(path == "/" ? "/index" : path + "/17");
    }
  }

  static constexpr std::size_t kCount = 1'000'000;

  [[nodiscard]] std::string_view host(std::size_t i) const { return piece(2 * i); }
  [[nodiscard]] std::string_view path(std::size_t i) const { return piece(2 * i + 1); }

 private:
  template <class T>
  using Table = std::vector<T, HugePageAllocator<T>>;

  void append(std::string_view text) {
    text_.insert(text_.end(), text.begin(), text.end());
    ends_.push_back(static_cast<std::uint32_t>(text_.size()));
  }
  [[nodiscard]] std::string_view piece(std::size_t i) const {
    return {text_.data() + ends_[i], ends_[i + 1] - ends_[i]};
  }

  Table<char> text_;
  Table<std::uint32_t> ends_{0};
};

double measure(const RoutingTable& table, const Requests& requests) {
  std::size_t found = 0;
  std::size_t asked = 0;
  const double ns = nanoseconds_per_step(Requests::kCount, [&](std::size_t i, std::size_t end) {
    // The next request is chosen by the answer to this one, so that look-ups do not overlap.
    while (i < end) {
      const routing::RouteMatch match = table.match(requests.host(i), requests.path(i));
      ++asked;
      found += match.route != nullptr ? 1 : 0;
      i += 1 + (reinterpret_cast<std::uintptr_t>(match.host) & 1);
    }
  });
  if (found != asked) fmt::print("error: {} of {} requests found\n", found, asked);
  return ns;
}

void bench_table(std::size_t hosts, std::size_t paths) {
  const std::size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
  const RoutingTable table = make_table(hosts, paths);
  const std::size_t bytes = mallinfo2().uordblks + mallinfo2().hblkhd - before;
  fmt::print("match at {} hosts x {} paths:", hosts, paths);
  for (const Traffic traffic : {Traffic::kWarm, Traffic::kPopular, Traffic::kCold})
    fmt::print(" {} {:.1f} ns,", name_of(traffic), measure(table, {hosts, paths, traffic}));
  fmt::print(" {} bytes a host\n", bytes / hosts);
}

}  // namespace

void bench_routes() {
  for (std::size_t hosts = 1; hosts <= 1'000'000; hosts *= 10) bench_table(hosts, 1);
  bench_table(10'000, 10);
  bench_table(1'000, 100);
}

}  // namespace cppx::bench
