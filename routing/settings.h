#pragma once

#include <chrono>
#include <cstdint>

#include "routing/balance/balance_policy.h"
#include "routing/client/client_trust.h"
#include "routing/log/access_log_settings.h"
#include "routing/upstream/retry_policy.h"
#include "routing/upstream/upstream_timeouts.h"

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

  UpstreamTimeouts upstream_timeouts;  ///< Routes may have others.
  RetryPolicy next_upstream;           ///< Routes may have others.
  RetryBudgetSettings retry_budget;    ///< For each worker.

  BalanceAlgorithm load_balance = BalanceAlgorithm::kRoundRobin;  ///< Routes may have another.
  EjectionSettings ejection;
  Duration upstream_slow_start{0};  ///< Rising shares of endpoints that are added to others.
  EndpointLimits endpoint_limits;   ///< For each worker.

  std::uint32_t upstream_keepalive_connections =
      320;  ///< Idle per worker over all backends; 0: no reuse.
  Duration upstream_keepalive_timeout = std::chrono::seconds(60);
  std::uint32_t upstream_keepalive_requests = 10000;  ///< Requests per backend connection.

  std::uint64_t proxy_body_size_bytes = std::uint64_t{1024} * 1024;  ///< Request body; 0: no limit.
  std::uint32_t large_client_header_bytes = 32 * 1024;  ///< Whole request head; more is 431.
  std::uint32_t client_request_line_bytes = 8 * 1024;   ///< Request line; more is 414.
  std::uint32_t proxy_header_bytes = 32 * 1024;         ///< Whole response head; more is 502.

  bool use_http2 = true;  ///< Towards clients, over TLS (ALPN) and on the plain port.
  std::uint32_t http2_max_concurrent_streams = 128;  ///< Per client connection.

  ClientTrust client_trust;
  AccessLogSettings access_log;

  std::uint32_t max_worker_connections = 16384;  ///< Of clients; 0: as descriptors allow.
  std::uint32_t max_worker_open_files = 0;       ///< 0: its share of what the process may open.

  bool operator==(const ProxySettings&) const = default;
};

}  // namespace cppx::routing
