#include "proxy/upstream/endpoint_picker.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "proxy/upstream/balance_request.h"
#include "proxy/upstream/fast_random.h"
#include "proxy/upstream/local_endpoint.h"
#include "proxy/upstream/pool_balance.h"
#include "routing/balance/balance_policy.h"
#include "routing/balance/endpoint_hashes.h"

namespace cppx::proxy {
namespace {

using routing::BalanceAlgorithm;
using Standing = PoolBalance::Standing;

constexpr int kDraws = 4;
// Slots looked at for a hash: with half of the endpoints fit, that none is found is out of
// question.
constexpr std::size_t kSlots = 1024;
constexpr std::uint32_t kLargestSubset = 64;
// Of an endpoint that has not been measured: so that requests in progress still count.
constexpr double kLeastSeconds = 1e-6;

}  // namespace

bool at_limit(const LocalEndpoint& endpoint, const routing::EndpointLimits& limits) noexcept {
  return (limits.connections != 0 && endpoint.active >= limits.connections) ||
         (limits.pending != 0 && endpoint.connecting >= limits.pending);
}

EndpointPicker::EndpointPicker(
    const BalanceRequest& request, PoolBalance& balance, FastRandom& random, Clock clock,
    bool troubled
) noexcept
    : request_(request),
      balance_(balance),
      random_(random),
      clock_(clock),
      troubled_(troubled),
      hash_(request.hash.value_or(0)) {
  const routing::EndpointHashes* hashes = request.pool->hashes.get();
  if (request.hash && hashes != nullptr) maglev_ = &hashes->maglev();
}

EndpointPicker::Index EndpointPicker::pick() {
  if (hashed() && request_.exact) {
    const std::uint32_t index = maglev_->endpoint_at(maglev_->slot_of(hash_));
    if (at_limit(*balance_.endpoints()[index], request_.settings.endpoint_limits))
      return std::nullopt;
    return index;
  }
  if (const Index index = probe()) return index;
  for (const Pass pass : {Pass::kFitAndUntried, Pass::kUntried, Pass::kAny}) {
    pass_ = pass;
    if (hashed())
      if (const Index index = by_hash()) return index;
    if (const Index index = by_algorithm()) return index;
  }
  return std::nullopt;
}

// The first request after an ejection's time tries the endpoint out. Not one that has failed
// already, nor one that belongs elsewhere.
EndpointPicker::Index EndpointPicker::probe() {
  if (!troubled_ || hashed() || !request_.tried.empty()) return std::nullopt;
  for (const std::uint32_t index : balance_.waiting()) {
    LocalEndpoint& endpoint = *balance_.endpoints()[index];
    if (!at_limit(endpoint, request_.settings.endpoint_limits) &&
        endpoint.health->claim_probe(balance_.now()))
      return index;
  }
  return std::nullopt;
}

EndpointPicker::Index EndpointPicker::by_algorithm() {
  if (request_.algorithm == BalanceAlgorithm::kRoundRobin || balance_.size() == 1)
    return round_robin();
  const Index index = of_two();
  return index ? index : round_robin();
}

EndpointPicker::Index EndpointPicker::round_robin() {
  const std::uint32_t size = balance_.size();
  for (std::uint32_t i = 0; i < size; ++i) {
    const std::uint32_t index = balance_.position;
    balance_.position = index + 1 == size ? 0 : index + 1;
    if (usable(index)) return index;
  }
  return std::nullopt;
}

EndpointPicker::Index EndpointPicker::of_two() {
  const std::uint32_t size = balance_.size();
  for (int draw = 0; draw < kDraws; ++draw) {
    const std::uint32_t a = random_.below(size);
    std::uint32_t b = random_.below(size - 1);
    if (b >= a) ++b;
    const bool a_usable = usable(a);
    const bool b_usable = usable(b);
    if (a_usable && b_usable) return better(b, a) ? b : a;
    if (a_usable) return a;
    if (b_usable) return b;
  }
  return std::nullopt;
}

EndpointPicker::Index EndpointPicker::by_hash() {
  const std::size_t first = maglev_->slot_of(hash_);
  if (request_.subset_size > 1) return by_subset(first);
  // Where the endpoint of a slot is not fit, the next slot's is: its keys spread over all others.
  const std::size_t slots = std::min(kSlots, maglev_->size());
  for (std::size_t i = 0; i < slots; ++i)
    if (const std::uint32_t index = maglev_->endpoint_at(first + i); usable(index)) return index;
  return std::nullopt;
}

EndpointPicker::Index EndpointPicker::by_subset(std::size_t slot) {
  const std::uint32_t wanted = std::min({request_.subset_size, balance_.size(), kLargestSubset});
  std::array<std::uint32_t, kLargestSubset> members;
  std::uint32_t found = 0;
  const std::size_t slots = std::min(kSlots, maglev_->size());
  for (std::size_t i = 0; i < slots && found < wanted; ++i) {
    const std::uint32_t index = maglev_->endpoint_at(slot + i);
    const auto end = members.begin() + found;
    if (std::find(members.begin(), end, index) == end) members[found++] = index;
  }
  // Any of them by chance, then the others in turn.
  const std::uint32_t start = random_.below(found);
  for (std::uint32_t i = 0; i < found; ++i)
    if (const std::uint32_t index = members[(start + i) % found]; usable(index)) return index;
  return std::nullopt;
}

bool EndpointPicker::usable(std::uint32_t index) {
  if (at_limit(*balance_.endpoints()[index], request_.settings.endpoint_limits)) return false;
  if (pass_ != Pass::kAny && request_.tried.contains(index)) return false;
  return pass_ != Pass::kFitAndUntried || fit(index);
}

bool EndpointPicker::fit(std::uint32_t index) {
  if (!troubled_) return true;
  const Standing standing = balance_.standing(index);
  // Also when all are used for want of fit ones: nothing else would end the ejection.
  if (standing == Standing::kWaiting && hashed() && request_.tried.empty() &&
      balance_.endpoints()[index]->health->claim_probe(balance_.now()))
    return true;
  if (balance_.panic()) return true;
  switch (standing) {
    case Standing::kFull:
      return true;
    case Standing::kRising: {
      // Keys come back one by one and stay; other requests come by chance.
      const double chance =
          hashed() ? static_cast<double>(hash_ >> 11) * 0x1.0p-53 : random_.unit();
      return chance < balance_.share(index, request_.settings);
    }
    case Standing::kWaiting:
    case Standing::kOut:
      return false;
  }
  return false;
}

bool EndpointPicker::better(std::uint32_t a, std::uint32_t b) {
  LocalEndpoint& first = *balance_.endpoints()[a];
  LocalEndpoint& second = *balance_.endpoints()[b];
  if (request_.algorithm != BalanceAlgorithm::kEwma) return first.active < second.active;
  const auto now = clock_();
  return cost(first, now) < cost(second, now);
}

double EndpointPicker::cost(LocalEndpoint& endpoint, LocalEndpoint::Time now) {
  if (endpoint.response_seconds < 0) {
    // A new one is taken for an average one, or all would run to it.
    double sum = 0;
    std::uint32_t known = 0;
    for (const LocalEndpoint* other : balance_.endpoints()) {
      if (other->response_seconds < 0) continue;
      sum += other->faded_response_seconds(now);
      ++known;
    }
    endpoint.response_seconds = known == 0 ? 0 : sum / known;
    endpoint.response_time = now;
  }
  return (endpoint.faded_response_seconds(now) + kLeastSeconds) * (endpoint.active + 1);
}

}  // namespace cppx::proxy
