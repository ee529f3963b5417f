#pragma once

#include <chrono>
#include <cstdint>

#include "routing/client/client_trust.h"

namespace cppx::routing {

/// Settings of the proxy as a whole (the ConfigMap and flags); immutable part of the snapshot.
/// Names and defaults are those of the ConfigMap keys of ingress-nginx.
struct ProxySettings {
  using Duration = std::chrono::milliseconds;

  Duration client_header_timeout = std::chrono::seconds(60);  ///< Whole head, from its first byte.
  Duration client_body_timeout = std::chrono::seconds(60);    ///< Between two reads of the body.
  Duration keep_alive = std::chrono::seconds(75);  ///< Idle client connection; 0: no keep-alive.
  std::uint32_t keep_alive_requests = 1000;        ///< Requests per client connection.
  Duration client_send_timeout =
      std::chrono::seconds(60);  ///< Between two writes to the client (nginx send_timeout).

  Duration proxy_connect_timeout = std::chrono::seconds(5);
  Duration proxy_send_timeout = std::chrono::seconds(60);  ///< Between two writes to the backend.
  Duration proxy_read_timeout = std::chrono::seconds(60);  ///< Between two reads from the backend.
  std::uint32_t proxy_next_upstream_tries = 3;             ///< Tries in all; 0 and 1: no retry.

  std::uint32_t upstream_keepalive_connections =
      320;  ///< Idle per worker over all backends; 0: no reuse.
  Duration upstream_keepalive_timeout = std::chrono::seconds(60);
  std::uint32_t upstream_keepalive_requests = 10000;  ///< Requests per backend connection.

  std::uint64_t proxy_body_size_bytes = std::uint64_t{1024} * 1024;  ///< Request body; 0: no limit.
  std::uint32_t large_client_header_bytes = 32 * 1024;  ///< Whole request head; more is 431.
  std::uint32_t client_request_line_bytes = 8 * 1024;   ///< Request line; more is 414.
  std::uint32_t proxy_header_bytes = 32 * 1024;         ///< Whole response head; more is 502.

  ClientTrust client_trust;

  std::uint32_t max_worker_connections = 16384;  ///< Of clients; 0: as descriptors allow.
  std::uint32_t max_worker_open_files = 0;       ///< 0: its share of what the process may open.

  bool operator==(const ProxySettings&) const = default;
};

}  // namespace cppx::routing
