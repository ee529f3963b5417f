#include "proxy/stream/http2/http2_pool.h"

#include "proxy/worker/worker.h"

namespace cppx::proxy {
namespace {

constexpr std::chrono::seconds kSweepInterval{1};

}  // namespace

Http2Client& Http2Pool::take(
    const UpstreamKey& key, const routing::ProxySettings& settings,
    const routing::UpstreamTimeouts& timeouts
) {
  Group& group = groups_[key];
  group.sweep();
  Http2Client* closed = nullptr;
  for (Entry& entry : group.clients) {
    // What the backend says for one connection will hold for the next one, unless it drains that
    // one by taking none.
    const std::uint32_t most = entry.client.max_streams();
    if (entry.client.state() == Http2Client::State::kOpen && most != 0)
      group.expected_streams = most;
    if (entry.client.takes_none()) closed = &entry.client;
    if (!entry.client.takes_streams(group.expected_streams)) continue;
    entry.client.allow(timeouts);
    return entry.client;
  }
  if (closed != nullptr) return *closed;
  Entry& entry = group.clients.emplace_back(worker_, key, settings, timeouts);
  if (!sweep_.armed()) sweep_.arm(kSweepInterval);
  spawn(entry.client.run(), [this, &entry] {
    entry.ended = true;
    if (closing_) worker_.end_if_idle();
  });
  return entry.client;
}

void Http2Pool::Group::sweep() {
  clients.remove_if([](const Entry& entry) { return entry.ended && entry.client.unused(); });
}

void Http2Pool::sweep() {
  for (auto& [key, group] : groups_) group.sweep();
  std::erase_if(groups_, [](const auto& entry) { return entry.second.clients.empty(); });
  if (!groups_.empty()) sweep_.arm(kSweepInterval);
}

void Http2Pool::close_idle() {
  for (auto& [key, group] : groups_)
    for (Entry& entry : group.clients)
      if (entry.client.idle()) entry.client.close_idle();
}

bool Http2Pool::close_an_idle_one() {
  for (auto& [key, group] : groups_) {
    for (Entry& entry : group.clients) {
      if (!entry.client.idle()) continue;
      entry.client.close_idle();
      return true;
    }
  }
  return false;
}

void Http2Pool::close_all() {
  closing_ = true;
  for (auto& [key, group] : groups_)
    for (Entry& entry : group.clients) entry.client.cut();
}

bool Http2Pool::all_ended() {
  sweep();
  return groups_.empty();
}

}  // namespace cppx::proxy
