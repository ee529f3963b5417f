#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

namespace cppx::test {

/// Ends the process with what was promised and not kept: libFuzzer then saves the input.
inline void require(bool kept, const std::string& promise) {
  if (kept) return;
  std::fprintf(stderr, "broken: %s\n", promise.c_str());
  std::abort();
}

}  // namespace cppx::test
