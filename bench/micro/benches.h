#pragma once
// Micro benchmarks of what a worker does for every request: each prints a line per case on standard
// output. Build type Release; option CPPX_BENCH.

namespace cppx::bench {

/// RoutingTable::match at several numbers of hosts and paths. Look-ups depend on each other, as
/// those of one worker do: this is the time to an answer, not the rate of overlapping ones.
void bench_routes();
/// normalize_path and host_without_port.
void bench_paths();

}  // namespace cppx::bench
