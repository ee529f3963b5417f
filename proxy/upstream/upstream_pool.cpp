#include "proxy/upstream/upstream_pool.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/coarse_clock.h"

namespace cppx::proxy {
namespace {

constexpr std::chrono::seconds kIdleSweepInterval{1};

/// Silent is healthy: an end or bytes nobody asked for mean that the connection is of no more use.
bool alive(UpstreamConnection& connection) noexcept {
  Transport& transport = connection.transport();
  if (transport.silent()) return true;
  if (!transport.is_tls()) return transport.peek().status == IoStatus::kWantRead;
  // With TLS there may be records that are none of HTTP's business: session tickets.
  char byte = 0;
  return transport.try_read({&byte, 1}).status == IoStatus::kWantRead;
}

}  // namespace

UpstreamPool::UpstreamPool(TimerWheel& wheel) : sweep_(wheel, *this) {}

UpstreamPtr UpstreamPool::take(const UpstreamKey& key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  found->second.used = true;
  auto& stack = found->second.idle;
  const auto now = coarse_steady_now();
  while (!stack.empty()) {
    const auto idle = stack.back();
    stack.pop_back();
    UpstreamPtr connection = std::move(idle->connection);
    const bool fresh = idle->expires > now;
    spare_.splice(spare_.begin(), by_age_, idle);
    if (fresh && alive(*connection)) return connection;
  }
  return nullptr;
}

void UpstreamPool::give_back(UpstreamPtr connection, const routing::ProxySettings& settings) {
  if (settings.upstream_keepalive_connections == 0 ||
      connection->requests >= settings.upstream_keepalive_requests)
    return;
  // A client may be given up, and with it the request, when all of the response has come.
  if (connection->transport().cancelled()) return;
  if (std::exchange(connection->beside_idle, false) && has_idle(connection->key()))
    remove(by_key_.find(connection->key())->second.idle.front());
  if (by_age_.size() >= settings.upstream_keepalive_connections) remove(by_age_.begin());
  if (spare_.empty()) spare_.emplace_back();
  const auto idle = spare_.begin();
  Stack& stack = by_key_[connection->key()];
  stack.used = true;
  stack.idle.push_back(idle);
  by_age_.splice(by_age_.end(), spare_, idle);
  spare_least_ = std::min(spare_least_, spare_.size());
  idle->connection = std::move(connection);
  idle->expires = coarse_steady_now() + settings.upstream_keepalive_timeout;
  if (!sweep_.armed()) sweep_.arm(kIdleSweepInterval);
}

bool UpstreamPool::has_idle(const UpstreamKey& key) const {
  const auto found = by_key_.find(key);
  return found != by_key_.end() && !found->second.idle.empty();
}

void UpstreamPool::remove(AgeList::iterator idle) {
  auto& stack = by_key_.find(idle->connection->key())->second.idle;
  stack.erase(std::find(stack.begin(), stack.end(), idle));
  by_age_.erase(idle);
}

void UpstreamPool::sweep() {
  const auto now = coarse_steady_now();
  for (auto idle = by_age_.begin(); idle != by_age_.end();) {
    const auto next = std::next(idle);
    if (idle->expires <= now || !alive(*idle->connection)) remove(idle);
    idle = next;
  }
  for (auto entry = by_key_.begin(); entry != by_key_.end();) {
    const bool used = std::exchange(entry->second.used, false);
    entry = used || !entry->second.idle.empty() ? std::next(entry) : by_key_.erase(entry);
  }
  spare_.resize(spare_.size() - spare_least_);
  spare_least_ = spare_.size();
  if (!by_key_.empty() || !spare_.empty()) sweep_.arm(kIdleSweepInterval);
}

bool UpstreamPool::close_oldest() {
  if (by_age_.empty()) return false;
  remove(by_age_.begin());
  return true;
}

void UpstreamPool::close_all() {
  by_key_.clear();
  by_age_.clear();
  sweep_.disarm();
}

}  // namespace cppx::proxy
