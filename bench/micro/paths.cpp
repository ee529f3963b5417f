#include <fmt/format.h>

#include <string>
#include <string_view>

#include "bench/micro/benches.h"
#include "bench/micro/measure.h"
#include "routing/http/host.h"
#include "routing/http/path.h"

namespace cppx::bench {

void bench_paths() {
  constexpr std::size_t kRepeats = 1'000'000;
  const std::string long_path = "/" + std::string(1023, 'x');
  std::string scratch;
  for (const std::string_view path :
       {std::string_view("/"), std::string_view("/api/v1/users/17/orders"),
        std::string_view(long_path), std::string_view("/api//v1/./users/%31%37/../orders")}) {
    const double ns = nanoseconds_per_step(kRepeats, [&](std::size_t i, std::size_t end) {
      for (; i < end; ++i) {
        keep(path);
        keep(routing::normalize_path(path, scratch));
      }
    });
    fmt::print("normalize_path of {:.40} ({} bytes): {:.1f} ns\n", path, path.size(), ns);
  }
  const std::string_view authority = "svc-123456.team-42.apps.example.com:8080";
  const double ns = nanoseconds_per_step(kRepeats, [&](std::size_t i, std::size_t end) {
    for (; i < end; ++i) {
      keep(authority);
      keep(routing::host_without_port(authority));
    }
  });
  fmt::print("host_without_port of {}: {:.1f} ns\n", authority, ns);
}

}  // namespace cppx::bench
