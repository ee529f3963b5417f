#pragma once
// Micro benchmarks of what a worker does for every request and the control thread for every
// change: each prints a line per case on standard
// output. Build type Release; option CPPX_BENCH.

namespace cppx::bench {

/// RoutingTable::match from one host to a million, and with many paths. Look-ups depend on each
/// other, as those of one worker do: this is the time to an answer, not the rate of overlapping
/// ones.
void bench_routes();
/// normalize_path and host_without_port.
void bench_paths();
/// HeadParser and validate_request of a small and a browser's request head, and of a response;
/// write_request_head and write_response_head of the same.
void bench_heads();
/// Translator with 10 000 Ingresses: all at once, and after one change; and Reviewer. What the
/// control thread does.
void bench_translations();

}  // namespace cppx::bench
