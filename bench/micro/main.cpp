#include "bench/micro/benches.h"

int main() {
  cppx::bench::bench_routes();
  cppx::bench::bench_paths();
  cppx::bench::bench_heads();
  return 0;
}
