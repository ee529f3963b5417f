#include "bench/micro/benches.h"

int main() {
  cppx::bench::bench_routes();
  cppx::bench::bench_paths();
  return 0;
}
