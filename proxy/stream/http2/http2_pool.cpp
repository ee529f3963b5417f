#include "proxy/stream/http2/http2_pool.h"

#include "proxy/worker/worker.h"

namespace cppx::proxy {

Http2Client& Http2Pool::take(
    const UpstreamKey& key, const routing::ProxySettings& settings,
    const routing::UpstreamTimeouts& timeouts
) {
  sweep();
  for (Entry& entry : clients_) {
    if (entry.key == key && entry.client.takes_streams()) return entry.client;
  }
  Entry& entry = clients_.emplace_back(worker_, key, settings, timeouts);
  spawn(entry.client.run(), [this, &entry] {
    entry.ended = true;
    if (closing_) worker_.end_if_idle();
  });
  return entry.client;
}

void Http2Pool::sweep() {
  clients_.remove_if([](const Entry& entry) { return entry.ended && entry.client.unused(); });
}

void Http2Pool::close_all() {
  closing_ = true;
  for (Entry& entry : clients_) entry.client.cut();
}

bool Http2Pool::all_ended() {
  sweep();
  return clients_.empty();
}

}  // namespace cppx::proxy
