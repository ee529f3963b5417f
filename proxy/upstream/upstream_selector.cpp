#include "proxy/upstream/upstream_selector.h"

#include "features/upstream_retries/policy.h"
#include "features/upstream_timeouts/policy.h"

namespace cppx::proxy {

void UpstreamSelector::begin(const routing::Snapshot& snapshot, const routing::Route& route) {
  pool_ = snapshot.pools[route.pool].get();
  settings_ = snapshot.settings.get();
  retry_ = &settings_->next_upstream;
  timeouts_ = &settings_->upstream_timeouts;
  if (!route.policies.empty()) {
    if (const auto* retries = route.policies.find<features::UpstreamRetriesPolicy>())
      retry_ = &retries->value;
    if (const auto* timeouts = route.policies.find<features::UpstreamTimeoutsPolicy>())
      timeouts_ = &timeouts->value;
  }
  if (retry_->total.count() != 0) started_ = Clock::now();
  budget_.on_request();
}

const routing::EndpointAddress& UpstreamSelector::next() {
  std::uint32_t index = balancer_.next(*pool_);
  // Others first; with fewer endpoints than tries the same one again.
  const auto size = static_cast<std::uint32_t>(pool_->endpoints.size());
  if (tried_.size() < size)
    for (std::uint32_t i = 0; i < size && tried_.contains(index); ++i)
      index = balancer_.next(*pool_);
  tried_.add(index);
  ++tries_;
  return pool_->endpoints[index];
}

bool UpstreamSelector::may_retry(const EndedTry& ended) {
  if (tries_ >= most_tries(*retry_, pool_->endpoints.size())) return false;
  if (!proxy::may_retry(*retry_, ended)) return false;
  const auto now = Clock::now();
  if (retry_->total.count() != 0 && now - started_ >= retry_->total) return false;
  return budget_.spend(settings_->retry_budget, now);
}

}  // namespace cppx::proxy
