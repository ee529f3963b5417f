#pragma once

#include <array>
#include <cstdint>

namespace cppx::proxy {

/// What one worker counts: plain integers of its own thread, added up when somebody asks.
struct Counters {
  std::uint64_t connections_accepted = 0;
  std::uint64_t connections_active = 0;
  std::uint64_t tls_handshakes_failed = 0;
  std::uint64_t proxy_headers_refused = 0;
  std::uint64_t idle_connections_shed = 0;
  std::uint64_t accepts_paused = 0;
  std::uint64_t requests_limited = 0;
  std::uint64_t requests_short_of_memory = 0;
  std::uint64_t connections_cut_for_memory = 0;
  std::uint64_t requests = 0;
  std::array<std::uint64_t, 6> responses{};  ///< By first digit of the status; [0]: none was sent.
  std::uint64_t upstream_connects = 0;
  std::uint64_t upstream_connect_failures = 0;
  std::uint64_t upstream_reuses = 0;
  std::uint64_t retries = 0;
  std::uint64_t retries_denied = 0;
  std::uint64_t upstream_ejections = 0;
  std::uint64_t upstream_idle = 0;
  std::uint64_t access_log_lines_dropped = 0;

  void add(const Counters& other) noexcept {
    connections_accepted += other.connections_accepted;
    connections_active += other.connections_active;
    tls_handshakes_failed += other.tls_handshakes_failed;
    proxy_headers_refused += other.proxy_headers_refused;
    idle_connections_shed += other.idle_connections_shed;
    accepts_paused += other.accepts_paused;
    requests_limited += other.requests_limited;
    requests_short_of_memory += other.requests_short_of_memory;
    connections_cut_for_memory += other.connections_cut_for_memory;
    requests += other.requests;
    for (std::size_t i = 0; i < responses.size(); ++i) responses[i] += other.responses[i];
    upstream_connects += other.upstream_connects;
    upstream_connect_failures += other.upstream_connect_failures;
    upstream_reuses += other.upstream_reuses;
    retries += other.retries;
    retries_denied += other.retries_denied;
    upstream_ejections += other.upstream_ejections;
    upstream_idle += other.upstream_idle;
    access_log_lines_dropped += other.access_log_lines_dropped;
  }
};

}  // namespace cppx::proxy
