#include "proxy/stream/http2/http2_server.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "proxy/stream/http2/http2_downstream.h"
#include "proxy/stream/http2/http2_stream.h"
#include "proxy/stream/stream.h"
#include "proxy/worker/worker.h"

namespace cppx::proxy {
namespace {

// Some round trips: streams that the client opened before it heard are served.
constexpr std::chrono::milliseconds kGoAwayDelay{500};
// What can be written again for a backend, with what we add, in a large buffer.
constexpr std::uint32_t kLongestHead = 32 * 1024;
constexpr std::uint64_t kLeastConnectionWindow = 1024 * 1024;
constexpr std::uint64_t kMostConnectionWindow = 0x7fffffff;  // RFC 9113 6.9.1

http2::SessionOptions server_options(const routing::ProxySettings& settings) noexcept {
  return {
      .max_concurrent_streams = settings.http2_max_concurrent_streams,
      .stream_window_bytes = Http2Stream::kWindow,
      // Uploads that a backend does not take must not hold up others of the same client.
      .connection_window_bytes = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(
          std::uint64_t{settings.http2_max_concurrent_streams} * Http2Stream::kWindow,
          kLeastConnectionWindow, kMostConnectionWindow
      )),
      // The same text as over HTTP/1.1: each field counts for 32 bytes more here.
      .max_head_bytes = std::min(settings.large_client_header_bytes, kLongestHead) +
                        32 * std::uint32_t{routing::kMaxHeaderFields},
  };
}

}  // namespace

struct Http2Server::Exchange {
  Exchange(Worker& worker, Http2Link& link, http2::StreamId id)
      : stream(link), state(worker.stream_states().take()) {
    stream.open(id);
  }
  Http2Stream stream;
  std::unique_ptr<StreamState> state;
  std::optional<Http2Downstream> request;
  std::optional<Stream> handler;
  std::uint16_t refused_with = 0;  // status of a request that is no request
  bool head_method = false;        // of such a one
};

void Http2Server::GoAway::expired() {
  server.session_.goaway();
  server.link_.flush();
}

Http2Server::Http2Server(
    Worker& worker, Downstream& downstream, std::shared_ptr<const routing::ProxySettings> settings
)
    : worker_(worker),
      downstream_(downstream),
      keep_settings_(std::move(settings)),
      settings_(*keep_settings_),
      session_(http2::Role::kServer, server_options(settings_), *this),
      link_(worker, downstream.transport, session_, *this, settings_.client_send_timeout),
      goaway_(worker.wheel(), *this) {
  all_ended_.set();
}

Http2Server::~Http2Server() = default;

Task<void> Http2Server::serve() {
  downstream_.transport.arm_read(
      settings_.keep_alive.count() == 0
          ? settings_.client_header_timeout
          : std::min(settings_.client_header_timeout, settings_.keep_alive)
  );
  worker_.idle_connections().enter(downstream_.idle, true);
  Http2Link::Early early{
      .memory = std::move(downstream_.input), .begin = downstream_.begin, .end = downstream_.end
  };
  downstream_.begin = downstream_.end = 0;
  co_await link_.run(std::move(early));
  downstream_.idle.leave();
  // Nobody is there any more to read what the streams still do.
  cut_streams();
  co_await all_ended_;
  co_await link_.settle();
  goaway_.disarm();
}

void Http2Server::drain() noexcept {
  if (no_more_) return;
  no_more_ = true;
  session_.shutdown_notice();
  link_.flush();
  goaway_.arm(kGoAwayDelay);
}

void Http2Server::cut() noexcept {
  downstream_.transport.cancel();
  cut_streams();
}

void Http2Server::cut_streams() {
  // Each may end, and leave the map, while it is cut.
  std::vector<http2::StreamId> ids;
  for (const auto& [id, exchange] : exchanges_) ids.push_back(id);
  for (const http2::StreamId id : ids) {
    if (Exchange* exchange = find(id)) exchange->stream.on_closed(http2::kCancel, false);
    if (Exchange* exchange = find(id); exchange != nullptr && exchange->handler)
      exchange->handler->cut();
  }
  link_.resume_soon();
}

Http2Server::Exchange* Http2Server::find(http2::StreamId id) noexcept {
  const auto found = exchanges_.find(id);
  return found == exchanges_.end() ? nullptr : found->second.get();
}

Http2Server::Exchange& Http2Server::add(http2::StreamId id) {
  auto& exchange = exchanges_[id];
  exchange = std::make_unique<Exchange>(worker_, link_, id);
  all_ended_.reset();
  starting_.push_back(id);
  return *exchange;
}

void Http2Server::on_request(http2::StreamId id, bool end) {
  Exchange& exchange = add(id);
  exchange.stream.on_head(session_.take_head(id));
  if (end) exchange.stream.on_end();
}

void Http2Server::on_bad_request(http2::StreamId id, std::uint16_t status, bool head_method) {
  Exchange& exchange = add(id);
  exchange.refused_with = status;
  exchange.head_method = head_method;
}

void Http2Server::on_data(http2::StreamId id, std::span<const char> data) {
  Exchange* exchange = find(id);
  if (exchange != nullptr)
    exchange->stream.on_data(data);
  else
    session_.consume(id, data.size());
}

void Http2Server::on_trailers(http2::StreamId id, std::span<const http2::Field> fields) {
  if (Exchange* exchange = find(id)) exchange->stream.on_trailers(fields);
}

void Http2Server::on_end(http2::StreamId id) {
  if (Exchange* exchange = find(id)) exchange->stream.on_end();
}

void Http2Server::on_sent(http2::StreamId id) {
  if (Exchange* exchange = find(id)) exchange->stream.on_sent();
}

void Http2Server::on_progress(http2::StreamId id) {
  if (Exchange* exchange = find(id)) exchange->stream.on_progress();
}

void Http2Server::on_closed(http2::StreamId id, std::uint32_t error_code, bool refused) {
  if (Exchange* exchange = find(id)) exchange->stream.on_closed(error_code, refused);
}

void Http2Server::on_fed() {
  // Before they begin: to make room for what they need it is not the one to go.
  if (!starting_.empty()) downstream_.idle.leave();
  for (std::size_t i = 0; i < starting_.size(); ++i) {
    if (Exchange* exchange = find(starting_[i])) start(*exchange);
  }
  starting_.clear();
  if (!exchanges_.empty()) downstream_.transport.disarm_read();
  const bool used_up = downstream_.requests >= settings_.keep_alive_requests ||
                       (settings_.keep_alive.count() == 0 && downstream_.requests != 0);
  if (used_up) drain();
}

void Http2Server::start(Exchange& exchange) {
  ++downstream_.requests;
  // Closed within the same read: nobody waits.
  if (exchange.stream.closed()) {
    end(exchange);
    return;
  }
  StreamState& state = *exchange.state;
  state.access.begin(settings_.access_log.enabled);
  state.request.clear();
  if (exchange.refused_with == 0)
    exchange.stream.head().fill(state.request);
  else
    state.request.head_method = exchange.head_method;
  if (state.request.upgrade) {
    state.request.framing = routing::BodyFraming::kNone;
    if (!iequals(state.request.upgrade_protocol, "websocket")) exchange.refused_with = 501;
  }
  if (state.request.target.size() > settings_.client_request_line_bytes)
    exchange.refused_with = 414;
  SnapshotPin snapshot = worker_.snapshots().pin();
  exchange.request.emplace(link_, downstream_, exchange.stream, state, *snapshot->settings);
  exchange.handler.emplace(worker_, *exchange.request, state, std::move(snapshot));
  spawn(run(exchange), [this, &exchange] { end(exchange); });
}

Task<void> Http2Server::run(Exchange& exchange) {
  StreamEnd how = StreamEnd::kComplete;
  if (exchange.refused_with == 0)
    how = co_await exchange.handler->run();
  else
    how = co_await exchange.handler->refuse(exchange.refused_with);
  if (how == StreamEnd::kAbort) session_.reset(exchange.stream.id(), http2::kInternalError);
  // A tunnel that was cut, or in which nobody hears the client any more.
  else if (!exchange.stream.sent_end() ||
           (exchange.request->in_tunnel() && !exchange.stream.ended()))
    session_.reset(exchange.stream.id(), http2::kCancel);
  link_.flush();
}

void Http2Server::end(Exchange& exchange) {
  exchange.handler.reset();
  worker_.stream_states().give_back(std::move(exchange.state));
  exchanges_.erase(exchange.stream.id());
  if (worker_.snapshots().has_old()) worker_.snapshots().release_unused();
  if (!exchanges_.empty()) return;
  // Not prolonged by what is no request.
  downstream_.transport.arm_read(settings_.keep_alive);
  worker_.idle_connections().enter(downstream_.idle, false);
  all_ended_.set();
}

}  // namespace cppx::proxy
