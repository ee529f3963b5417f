#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/upstream/balancer.h"
#include "proxy/upstream/local_endpoint.h"
#include "proxy/upstream/retry.h"
#include "proxy/upstream/retry_budget.h"
#include "proxy/upstream/session_selector.h"
#include "proxy/upstream/tried_endpoints.h"
#include "routing/endpoint/endpoint.h"
#include "routing/http/message.h"
#include "routing/snapshot.h"

namespace cppx::proxy {

/// A request that is to be forwarded. All of it outlives the selector: the stream pins the
/// snapshot.
struct ForwardedRequest {
  const routing::Snapshot& snapshot;
  const routing::Route& route;  ///< Leads to a pool that has endpoints.
  const routing::RequestHead& head;
  std::string_view client_address;  ///< Without port.
};

/// What one request needs to know of its upstream: which endpoint is next, how long to wait for it,
/// whether another one may be asked. Tells the balancer how the endpoints behave.
///
///   begin() → next() → a try → after_try() → next() → ...
class UpstreamSelector {
 public:
  UpstreamSelector(Balancer& balancer, RetryBudget& budget) noexcept
      : balancer_(balancer), budget_(budget) {}

  void begin(const ForwardedRequest& request);

  /// The endpoint for the next try; null when all are at their limits. It is one of those that the
  /// pool has in `current`, the worker's newest snapshot: those of the request's own may be long
  /// gone. Good until the next call.
  const routing::EndpointAddress* next(const routing::Snapshot& current);

  /// Those of the route, or those for all. After begin().
  [[nodiscard]] const routing::UpstreamTimeouts& timeouts() const noexcept { return *timeouts_; }

  /// The value of the Set-Cookie field that the response needs for the session, made in `memory`;
  /// empty: none.
  std::string_view set_cookie(bool tls, std::string& memory) const;

  /// Around making a connection for the try: what EndpointLimits::pending counts.
  void connecting() noexcept { use_.connecting(); }
  void connected() noexcept { use_.connected(); }
  /// The try has a connection that nobody had before.
  void has_new_connection() { balancer_.on_connection(*use_); }

  /// The request is over.
  void release() noexcept { use_ = EndpointUse(); }

  /// Called once for every next(). Whether to make one more try: the policy's conditions, number
  /// and time allow it, and so does the budget, which pays for it.
  bool after_try(const EndedTry& ended);
  /// Before that, whether to make the same try once more on a connection of its own. Not counted.
  /// Only while the pool still has the endpoint.
  [[nodiscard]] bool may_retry_on_new_connection(
      const EndedTry& ended, const routing::EndpointAddress& address,
      const routing::Snapshot& current
  ) const noexcept;

 private:
  using Time = std::chrono::steady_clock::time_point;

  [[nodiscard]] BalanceRequest balance_request() const;
  /// The pool as it is in `current`; null when it has none for the request.
  [[nodiscard]] const std::shared_ptr<const routing::EndpointPool>* newest(
      const routing::Snapshot& current
  ) const noexcept;
  void follow(const routing::Snapshot& current);
  void report(const EndedTry& ended);
  /// The policy's total time is over.
  [[nodiscard]] bool is_late() const noexcept {
    return retry_->total.count() != 0 && balancer_.now() - started_ >= retry_->total;
  }

  Balancer& balancer_;
  RetryBudget& budget_;
  std::uint64_t generation_ = 0;  // of the snapshot that pool_ is of
  const routing::Route* route_ = nullptr;
  const std::shared_ptr<const routing::EndpointPool>* pool_ = nullptr;
  std::shared_ptr<const routing::EndpointPool> newer_;  // of a snapshot that nobody pins
  const routing::ProxySettings* settings_ = nullptr;
  const routing::RetryPolicy* retry_ = nullptr;
  const routing::UpstreamTimeouts* timeouts_ = nullptr;
  routing::BalanceAlgorithm algorithm_ = routing::BalanceAlgorithm::kRoundRobin;
  std::uint32_t subset_size_ = 0;
  std::optional<std::uint64_t> hash_;
  SessionSelector session_;
  const routing::RequestHead* head_ = nullptr;
  TriedEndpoints tried_;
  EndpointUse use_;
  std::uint32_t tries_ = 0;
  Time started_;      // only where the policy has a total time
  Time try_started_;  // only where response times count
};

}  // namespace cppx::proxy
