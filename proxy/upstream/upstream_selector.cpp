#include "proxy/upstream/upstream_selector.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/text.h"
#include "features/load_balancing/policy.h"
#include "features/session_affinity/cookie.h"
#include "features/session_affinity/policy.h"
#include "features/upstream_retries/policy.h"
#include "features/upstream_timeouts/policy.h"
#include "proxy/upstream/balance_request.h"
#include "proxy/upstream/balancer.h"
#include "proxy/upstream/local_endpoint.h"
#include "proxy/upstream/retry.h"
#include "routing/balance/balance_policy.h"
#include "routing/endpoint/endpoint.h"
#include "routing/http/message.h"

namespace cppx::proxy {

void UpstreamSelector::begin(const ForwardedRequest& request) {
  generation_ = request.snapshot.generation;
  route_ = &request.route;
  pool_ = &request.snapshot.pools[request.route.pool];
  settings_ = request.snapshot.settings.get();
  retry_ = &settings_->next_upstream;
  timeouts_ = &settings_->upstream_timeouts;
  algorithm_ = settings_->load_balance;
  if (const auto& policies = request.route.policies; !policies.empty()) {
    if (const auto* retries = policies.find<features::UpstreamRetriesPolicy>())
      retry_ = &retries->value;
    if (const auto* timeouts = policies.find<features::UpstreamTimeoutsPolicy>())
      timeouts_ = &timeouts->value;
    if (const auto* affinity = policies.find<features::SessionAffinityPolicy>();
        affinity != nullptr)
      session_.begin(affinity->value, **pool_, request.head.fields);
    if (const auto* balancing = policies.find<features::LoadBalancingPolicy>()) {
      algorithm_ = balancing->value.algorithm;
      subset_size_ = balancing->value.subset_size;
      hash_ = balancing->value.hash.hash(
          {.request = request.head, .client_address = request.client_address}
      );
    }
  }
  head_ = &request.head;
  if (retry_->total.count() != 0) started_ = balancer_.now();
  budget_.on_request();
}

BalanceRequest UpstreamSelector::balance_request() const {
  return {
      .pool = *pool_,
      .settings = *settings_,
      .algorithm = algorithm_,
      .hash = hash_,
      .subset_size = subset_size_,
      .exact = false,
      .tried = tried_,
  };
}

// Another pool may have the place by now. Those that are left of an empty one may still answer.
const std::shared_ptr<const routing::EndpointPool>* UpstreamSelector::newest(
    const routing::Snapshot& current
) const noexcept {
  if (route_->pool >= current.pools.size()) return nullptr;
  const auto& pool = current.pools[route_->pool];
  return pool->identity == (*pool_)->identity && !pool->endpoints.empty() ? &pool : nullptr;
}

bool UpstreamSelector::may_retry_on_new_connection(
    const EndedTry& ended, const routing::EndpointAddress& address, const routing::Snapshot& current
) const noexcept {
  if (!proxy::may_retry_on_new_connection(*retry_, ended)) return false;
  if (is_late()) return false;
  const auto* const pool = newest(current);
  return pool == nullptr || std::ranges::binary_search((*pool)->endpoints, address);
}

// The rest of the request's snapshot stays as it is: the route, its policies, the settings.
void UpstreamSelector::follow(const routing::Snapshot& current) {
  if (current.generation == generation_) return;
  generation_ = current.generation;
  const auto* const pool = newest(current);
  if (pool == nullptr || *pool == *pool_) return;
  tried_.move((*pool_)->endpoints, (*pool)->endpoints);
  newer_ = *pool;
  pool_ = &newer_;
  if (session_.active()) session_.begin(session_.affinity(), **pool_, head_->fields);
}

const routing::EndpointAddress* UpstreamSelector::next(const routing::Snapshot& current) {
  // The last one is no longer in use, or it would count against itself.
  use_ = EndpointUse();
  follow(current);
  const auto choice = session_.active() ? session_.choose(balancer_, balance_request())
                                        : balancer_.choose(balance_request());
  if (!choice) return nullptr;
  use_ = EndpointUse(*choice->endpoint);
  tried_.add(choice->index);
  ++tries_;
  if (algorithm_ == routing::BalanceAlgorithm::kEwma) try_started_ = balancer_.now();
  return &(*pool_)->endpoints[choice->index];
}

void UpstreamSelector::report(const EndedTry& ended) {
  use_.connected();
  if (ended.end == TryEnd::kResponse) {
    balancer_.on_success(*use_, *settings_);
    // What a client took to send its body says nothing of the endpoint.
    if (algorithm_ != routing::BalanceAlgorithm::kEwma || ended.body_begun) return;
    const auto now = balancer_.now();
    use_->observe(std::chrono::duration<double>(now - try_started_).count(), now);
  } else if (is_connection_failure(ended)) {
    balancer_.on_failure(*use_, *settings_);
  }
}

std::string_view UpstreamSelector::set_cookie(bool tls, std::string& memory) const {
  const auto key = session_.active() ? session_.new_key() : std::nullopt;
  if (!key) return {};
  std::string_view user_agent;
  for (const routing::HeaderField& field : head_->fields)
    if (iequals(field.name, "user-agent")) user_agent = field.value;
  memory.clear();
  features::append_set_cookie(
      session_.affinity(),
      {.key = *key,
       .pool = session_.pool_identity(),
       .tls = tls,
       .user_agent = user_agent,
       .now = std::chrono::system_clock::now()},
      memory
  );
  return memory;
}

bool UpstreamSelector::after_try(const EndedTry& ended) {
  report(ended);
  if (tries_ >= most_tries(*retry_, (*pool_)->endpoints.size())) return false;
  if (!may_retry(*retry_, ended)) return false;
  if (is_late()) return false;
  return budget_.spend(settings_->retry_budget, balancer_.now());
}

}  // namespace cppx::proxy
