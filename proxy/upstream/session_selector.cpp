#include "proxy/upstream/session_selector.h"

#include <cstdint>
#include <optional>
#include <string_view>

#include "features/session_affinity/cookie.h"
#include "features/session_affinity/policy.h"
#include "proxy/upstream/balance_request.h"
#include "proxy/upstream/balancer.h"
#include "routing/balance/endpoint_hashes.h"
#include "routing/balance/sip_hash.h"
#include "routing/endpoint/endpoint.h"
#include "routing/http/message.h"

namespace cppx::proxy {
namespace {

// Keys drawn for a new session until one belongs to an endpoint that is fit.
constexpr int kSessionDraws = 16;

}  // namespace

void SessionSelector::begin(
    const features::SessionAffinity& affinity, const routing::EndpointPool& pool,
    const routing::HeaderFields& fields
) {
  *this = SessionSelector();
  if (pool.hashes == nullptr) return;
  affinity_ = &affinity;
  pool_ = &pool;
  const std::string_view key = features::session_key(fields, affinity);
  if (key.empty()) return;
  if (!affinity.persistent) {
    hash_ = features::session_hash(key);
    from_client_ = true;
    return;
  }
  if (const auto identity = features::parse_session_key(key))
    pinned_ = pool.hashes->find(*identity);
  from_client_ = pinned_.has_value();
}

std::uint64_t SessionSelector::pool_identity() const noexcept {
  return routing::sip_hash(pool_->hashes->key(), pool_->name);
}

std::optional<Choice> SessionSelector::choose(Balancer& balancer, BalanceRequest request) {
  return affinity_->persistent ? choose_persistent(balancer, request)
                               : choose_balanced(balancer, request);
}

bool SessionSelector::stays(Balancer& balancer, const BalanceRequest& request, std::uint32_t index)
    const {
  // A session that is only just being made is bound to nothing yet.
  if (from_client_ && !affinity_->change_on_failure) return true;
  return !request.tried.contains(index) && balancer.may_serve(request, index);
}

std::optional<Choice> SessionSelector::choose_balanced(Balancer& balancer, BalanceRequest request) {
  const routing::EndpointHashes& hashes = *pool_->hashes;
  const auto& maglev = hashes.maglev();
  const auto index_of = [&](std::uint64_t hash) {
    return maglev.endpoint_at(maglev.slot_of(hash));
  };
  if (hash_)
    if (const auto index = index_of(*hash_); stays(balancer, request, index))
      return balancer.take(request, index);
  from_client_ = false;
  for (int draw = 0; draw < kSessionDraws; ++draw) {
    new_key_ = balancer.random().next();
    hash_ = features::session_hash(features::SessionKeyText(*new_key_).view());
    const std::uint32_t index = index_of(*hash_);
    if (request.tried.contains(index) || !balancer.may_begin(request, index)) continue;
    if (const auto choice = balancer.take(request, index)) return choice;
  }
  // Hardly any is left: whoever it is, and the session is not bound to it.
  request.hash = hash_;
  return balancer.choose(request);
}

std::optional<Choice> SessionSelector::choose_persistent(
    Balancer& balancer, const BalanceRequest& request
) {
  if (pinned_ && stays(balancer, request, *pinned_)) return balancer.take(request, *pinned_);
  const auto choice = balancer.choose(request);
  if (!choice) return std::nullopt;
  from_client_ = false;
  pinned_.reset();
  new_key_ = pool_->hashes->identity_of(pool_->endpoints[choice->index]);
  return choice;
}

}  // namespace cppx::proxy
