#include <cstdio>
#include <map>
#include <string_view>

#include "bench/micro/benches.h"

/// Without arguments all of them, else those that are named.
int main(int count, char** arguments) {
  using namespace cppx::bench;
  const std::map<std::string_view, void (*)()> benches{
      {"heads", bench_heads},
      {"paths", bench_paths},
      {"routes", bench_routes},
      {"translations", bench_translations},
  };
  for (int i = 1; i < count; ++i) {
    const auto it = benches.find(arguments[i]);
    if (it == benches.end()) {
      std::fprintf(
          stderr, "cppx_bench: what is '%s'? heads paths routes translations\n", arguments[i]
      );
      return 2;
    }
    it->second();
  }
  if (count == 1)
    for (const auto& [name, run] : benches) run();
  return 0;
}
