#include <cstdio>

#include "app/commands.h"
#include "routing/dump.h"

namespace cppx::app {

int check(const Flags& flags) {
  const auto checked =
      controller::check_manifests(flags.controller.manifests, flags.controller.translate);
  if (!checked) {
    std::fprintf(stderr, "cppx: %s\n", checked.error().detail.c_str());
    return 2;
  }
  for (const auto& problem : checked->problems) std::printf("problem: %s\n", problem.c_str());
  for (const auto& diagnostic : *checked->translation.diagnostics)
    std::printf("problem: %s\n", diagnostic.to_string().c_str());
  std::fputs(routing::dump(*checked->translation.snapshot).c_str(), stdout);
  return checked->problems.empty() && checked->translation.diagnostics->empty() ? 0 : 1;
}

}  // namespace cppx::app
