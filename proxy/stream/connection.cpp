#include "proxy/stream/connection.h"

#include <algorithm>
#include <cstring>

#include "proxy/codec/http1/head_validator.h"
#include "proxy/codec/http2/preface.h"
#include "proxy/stream/access.h"
#include "proxy/stream/http1/http1_downstream.h"
#include "proxy/stream/http2/http2_server.h"
#include "proxy/stream/local_reply.h"
#include "proxy/stream/proxy_header.h"
#include "proxy/worker/idle_list.h"
#include "proxy/worker/worker.h"

namespace cppx::proxy {
namespace {

// Kept free behind a head for the body that follows it, so that an upload moves in useful pieces.
constexpr std::size_t kBodyRoom = 4 * 1024;
// A connection closed with unread bytes is reset by the kernel, and the client may lose the answer:
// read and throw away so much and so long first.
constexpr std::size_t kLingerBytes = 1024 * 1024;
constexpr std::chrono::seconds kLingerTime{2};
// For an answer to what was no request.
constexpr std::chrono::seconds kReplyTime{10};
constexpr unsigned char kTlsHandshakeRecord = 0x16;

class ScopedFlag {
 public:
  explicit ScopedFlag(bool& flag) noexcept : flag_(flag) { flag_ = true; }
  ScopedFlag(const ScopedFlag&) = delete;
  ScopedFlag& operator=(const ScopedFlag&) = delete;
  ~ScopedFlag() { flag_ = false; }

 private:
  bool& flag_;
};

}  // namespace

// With its place in the worker's list it takes one of the allocator's sizes, 448 bytes; the next
// one is 512, and idle connections are little else (docs/performance.md).
static_assert(sizeof(Connection) <= 432);

Connection::Connection(
    Worker& worker, const Listener& listener, const ClientAddress& client, std::uint64_t number
)
    : worker_(worker), downstream_(worker.loop(), worker.wheel(), listener, client) {
  downstream_.number = number;
}

bool Connection::assign(Descriptor socket) {
  return downstream_.transport.assign(std::move(socket));
}

void Connection::wind_down() noexcept {
  if (http2_ != nullptr) http2_->drain();
}

void Connection::drain() noexcept {
  draining_ = true;
  if (http2_ != nullptr) http2_->drain();
  // A load balancer says it all at once.
  if (announcing_) downstream_.transport.hasten_read(IdleList::kNewcomerPatience);
  if (!idle_) return;
  if (downstream_.requests == 0)
    downstream_.transport.arm_read(IdleList::kNewcomerPatience);
  else
    downstream_.transport.cancel(Direction::kRead);
}

void Connection::hasten() noexcept {
  if (listening_ || announcing_) downstream_.transport.hasten_read(IdleList::kNewcomerPatience);
}

void Connection::cut() noexcept {
  cut_ = true;
  if (stream_ != nullptr) stream_->cut();
  if (http2_ != nullptr) http2_->cut();
  downstream_.transport.cancel();
}

Task<void> Connection::serve() {
  bool ready = co_await proxy_header();
  if (ready) ready = co_await handshake();
  // After a failed handshake the client still gets the alert that says why: no reset.
  Next next = Next::kClose;
  if (ready) {
    next = downstream_.transport.alpn() == "h2" ? Next::kHttp2 : Next::kRequest;
    if (next == Next::kRequest) next = co_await serve_http1();
    if (next == Next::kHttp2) next = co_await serve_http2();
  }
  co_await end(next);
}

Task<Connection::Next> Connection::serve_http2() {
  // Something new, which takes more than the connection did so far. After a handshake it takes less
  // than that has just given back.
  if (worker_.short_of_memory() && !downstream_.transport.is_tls()) {
    ++worker_.counters().idle_connections_shed;
    co_return Next::kAbort;
  }
  SnapshotPin snapshot = worker_.snapshots().pin();
  auto server = std::make_unique<Http2Server>(worker_, downstream_, snapshot->settings);
  snapshot = {};
  http2_ = server.get();
  if (worker_.winding_down()) server->drain();
  co_await server->serve();
  http2_ = nullptr;
  co_return Next::kLinger;
}

Task<Connection::Next> Connection::serve_http1() {
  Next next = Next::kRequest;
  while (next == Next::kRequest && !cut_) {
    const bool incoming = co_await wait_for_request();
    if (!incoming) co_return Next::kClose;
    state_ = worker_.stream_states().take();
    next = co_await serve_request();
    worker_.stream_states().give_back(std::move(state_));
    if (worker_.snapshots().has_old()) worker_.snapshots().release_unused();
    if (draining_ && next == Next::kRequest) next = Next::kLinger;
  }
  co_return next;
}

Task<Connection::Next> Connection::serve_request() {
  const HeadResult head = co_await read_head();
  if (head == HeadResult::kClose) co_return Next::kClose;
  if (head == HeadResult::kHttp2) co_return Next::kHttp2;
  if (head == HeadResult::kAnswered) co_return Next::kLinger;
  SnapshotPin snapshot = worker_.snapshots().pin();
  const routing::ProxySettings& settings = *snapshot->settings;
  Http1Downstream request(worker_, downstream_, *state_, settings);
  Stream stream(worker_, request, *state_, std::move(snapshot));
  stream_ = &stream;
  const StreamEnd end = co_await stream.run();
  stream_ = nullptr;
  if (end == StreamEnd::kAbort) co_return Next::kAbort;
  if (end == StreamEnd::kLinger) co_return Next::kLinger;
  if (request.keep_alive()) co_return Next::kRequest;
  // A client that did not ask for it may have sent its next request by the time it hears of it.
  co_return state_->request.keep_alive ? Next::kLinger : Next::kClose;
}

Task<void> Connection::end(Next how) {
  Transport& transport = downstream_.transport;
  if (how == Next::kAbort || cut_) {
    transport.abort();
  } else if (how == Next::kLinger || !downstream_.unread().empty() ||
             (downstream_.requests != 0 && transport.peek().ok())) {
    // Closed with anything unread the kernel resets the connection, and what it has not delivered
    // yet of a response is lost (RFC 9112 9.6).
    transport.shutdown_send();
    transport.forget_tls();
    co_await linger();
    transport.close();
  } else {
    transport.finish();
  }
  downstream_.input.reset();
}

Task<bool> Connection::proxy_header() {
  if (worker_.snapshots().empty()) co_return false;
  const routing::ClientTrust& trust = worker_.snapshots().current().settings->client_trust;
  if (!trust.use_proxy_protocol) co_return true;
  bool received = false;
  // A header from anybody else would let a client choose its address, and without one it could not
  // be told from a load balancer's own.
  if (trust.trusted.contains(downstream_.address.ip())) {
    unsigned char first = 0;
    const auto begun = co_await wait_for_first_byte(trust.proxy_protocol_header_timeout, first);
    if (begun == IoStatus::kCancelled) co_return false;
    const ScopedFlag announcing(announcing_);
    if (begun == IoStatus::kOk) received = co_await receive_proxy_header(worker_, downstream_);
  }
  if (!received && !cut_) ++worker_.counters().proxy_headers_refused;
  co_return received;
}

Task<bool> Connection::handshake() {
  Transport& transport = downstream_.transport;
  if (!downstream_.listener.config().tls) co_return true;
  if (worker_.snapshots().empty()) co_return false;
  // The certificates of this generation are needed until the handshake is over.
  SnapshotPin snapshot = worker_.snapshots().pin();
  const auto* table = snapshot->find_listener(downstream_.listener.config().name);
  if (table == nullptr || !table->certificates) co_return false;
  const auto patience = snapshot->settings->client_header_timeout;
  unsigned char first = 0;
  const auto begun = co_await wait_for_first_byte(patience, first);
  if (begun != IoStatus::kOk) co_return false;
  if (first != kTlsHandshakeRecord) {
    constexpr std::string_view kPlain = "The plain HTTP request was sent to HTTPS port";
    co_await write_reply_and_close({.status = 400, .note = kPlain}, nullptr);
    co_await linger();
    co_return false;
  }
  if (!worker_.on_handshake()) co_return false;
  tls::SessionElsewhere elsewhere;
  const tls::HandshakeOptions options{
      .certificates = *table->certificates,
      .http2 = snapshot->settings->use_http2,
      .elsewhere = &elsewhere
  };
  auto ssl = worker_.tls().accept(options);
  if (!ssl || !transport.start_tls(std::move(ssl))) co_return false;
  transport.arm_read(patience);
  transport.arm_write(patience);
  const ScopedFlag listening(listening_);
  for (;;) {
    const IoResult result = transport.try_handshake();
    if (result.ok()) break;
    if (result.status == IoStatus::kWantSession) {
      co_await worker_.tls_sessions().fetch(elsewhere);
      if (cut_) co_return false;
      continue;
    }
    IoStatus ready = IoStatus::kError;
    if (result.status == IoStatus::kWantRead || result.status == IoStatus::kWantWrite)
      ready = co_await transport.wait(
          result.status == IoStatus::kWantRead ? Direction::kRead : Direction::kWrite
      );
    if (ready != IoStatus::kOk) {
      ++worker_.counters().tls_handshakes_failed;
      co_return false;
    }
  }
  transport.disarm_read();
  transport.disarm_write();
  co_return true;
}

Task<IoStatus> Connection::wait_for_first_byte(
    std::chrono::milliseconds patience, unsigned char& first
) {
  Transport& transport = downstream_.transport;
  if (draining_)
    patience = std::min<std::chrono::milliseconds>(patience, IdleList::kNewcomerPatience);
  transport.arm_read(patience);
  worker_.idle_connections().enter(downstream_.idle, true);
  // The kernel may say "readable" when there is nothing (yet).
  auto seen = IoStatus::kWantRead;
  while (seen == IoStatus::kWantRead) {
    idle_ = true;
    const auto readable = co_await transport.wait(Direction::kRead);
    idle_ = false;
    // The place is needed: who has begun in the meantime is still heard.
    const bool asked_to_go = readable == IoStatus::kCancelled && !cut_;
    if (asked_to_go) transport.resume(Direction::kRead);
    seen = readable == IoStatus::kOk || asked_to_go ? transport.peek(first).status : readable;
    if (seen == IoStatus::kWantRead && asked_to_go) seen = IoStatus::kCancelled;
    // A deadline that has passed meanwhile is forgotten by resume().
    if (asked_to_go) transport.hasten_read(IdleList::kNewcomerPatience);
  }
  downstream_.idle.leave();
  co_return seen;
}

Task<bool> Connection::wait_for_request() {
  Downstream& down = downstream_;
  if (!down.unread().empty()) co_return true;
  down.begin = down.end = 0;
  const auto& settings = *worker_.snapshots().current().settings;
  std::chrono::milliseconds patience =
      down.requests == 0 ? settings.client_header_timeout : settings.keep_alive;
  if (draining_) patience = IdleList::kNewcomerPatience;
  down.transport.arm_read(patience);
  for (;;) {
    if (!down.transport.silent()) {
      const IoStatus read = read_what_is_there();
      if (read != IoStatus::kWantRead) co_return read == IoStatus::kOk;
    }
    // Nothing is held while nothing comes.
    down.input.reset();
    if (draining_ && down.requests != 0) co_return false;
    idle_ = true;
    worker_.idle_connections().enter(down.idle, down.requests == 0);
    const auto ready = co_await down.transport.wait(Direction::kRead);
    idle_ = false;
    down.idle.leave();
    if (ready == IoStatus::kOk) continue;
    if (ready != IoStatus::kCancelled || cut_) co_return false;
    // Draining, or the place is needed. A request that came in the meantime is still served.
    down.transport.resume(Direction::kRead);
    co_return down.transport.peek().ok();
  }
}

IoStatus Connection::read_what_is_there() {
  Downstream& down = downstream_;
  if (down.input.empty()) down.input = worker_.buffers().take_small();
  const auto got = down.transport.try_read(down.free_space());
  if (got.ok()) {
    down.end = got.bytes;
    down.transport.disarm_read();
  }
  return got.status == IoStatus::kWantWrite ? IoStatus::kWantRead : got.status;
}

bool Connection::grow_input(std::uint32_t limit_bytes) {
  Downstream& down = downstream_;
  if (down.end >= limit_bytes || down.input.size() == BufferPool::kLarge) return false;
  Buffer larger = worker_.buffers().take_large();
  std::memcpy(larger.data(), down.input.data(), down.end);
  down.input = std::move(larger);
  return true;
}

std::uint16_t Connection::head_error(http1::HeadParser::Status status) const noexcept {
  if (status == http1::HeadParser::Status::kTooManyFields) return 431;
  return state_->downstream.parser.bad_version() ? 505 : 400;
}

Task<Connection::HeadResult> Connection::refuse(
    std::uint16_t status, const routing::RequestHead* head
) {
  ++worker_.counters().requests;
  ++downstream_.requests;
  co_await write_reply_and_close({.status = status}, head);
  co_return HeadResult::kAnswered;
}

Task<void> Connection::write_reply_and_close(LocalReply reply, const routing::RequestHead* head) {
  Buffer memory = worker_.buffers().take_small();
  // A head that is refused may have told its method all the same.
  const bool head_method =
      state_ != nullptr && state_->downstream.parser.method(downstream_.unread()) == "HEAD";
  const auto text = local_reply_text(
      {memory.data(), memory.size()}, reply, {.date = worker_.date(), .head_method = head_method}
  );
  ++worker_.counters().responses[reply.status / 100U];
  iovec piece{
      .iov_base = const_cast<char*>(text.data()), .iov_len = text.size()
  };  // NOLINT: only read
  const auto written = co_await downstream_.transport.write_all({&piece, 1}, kReplyTime);
  log_refusal(
      worker_, downstream_,
      {.status = reply.status,
       .sent_bytes = written.bytes,
       .sent_head_bytes = head_bytes(text),
       .head = head,
       .started = state_ != nullptr ? state_->access.started() : AccessRecord::Clock::now()}
  );
}

Task<Connection::HeadResult> Connection::read_head() {
  Downstream& down = downstream_;
  http1::HeadParser& parser = state_->downstream.parser;
  const SnapshotPin snapshot = worker_.snapshots().pin();
  const routing::ProxySettings& settings = *snapshot->settings;
  parser.reset();
  state_->access.begin(settings.access_log.enabled);
  if (down.input.empty()) down.input = worker_.buffers().take_small();
  if (down.begin != 0) {
    std::memmove(down.input.data(), down.input.data() + down.begin, down.end - down.begin);
    down.end -= down.begin;
    down.begin = 0;
  }
  // One deadline for the whole head: a client that sends a byte now and then does not prolong it.
  // While draining there may be nothing but TLS's own in what came.
  down.transport.arm_read(
      draining_ && down.end == 0 ? IdleList::kNewcomerPatience : settings.client_header_timeout
  );
  const ScopedFlag listening(listening_);
  // A connection without TLS may begin with HTTP/2 (RFC 9113 3.3).
  bool maybe_http2 = down.requests == 0 && !down.transport.is_tls() && settings.use_http2;
  for (;;) {
    maybe_http2 = maybe_http2 && http2::could_be_preface(down.unread());
    if (maybe_http2 && http2::is_preface(down.unread())) co_return HeadResult::kHttp2;
    const auto status =
        maybe_http2 ? http1::HeadParser::Status::kNeedMore : parser.parse(down.unread());
    const std::size_t head_so_far =
        status == http1::HeadParser::Status::kDone ? parser.head_bytes() : down.end;
    if (parser.start_line_bytes() > settings.client_request_line_bytes)
      co_return co_await refuse(414);
    if (head_so_far > settings.large_client_header_bytes) co_return co_await refuse(431);
    if (status == http1::HeadParser::Status::kDone) break;
    if (status != http1::HeadParser::Status::kNeedMore)
      co_return co_await refuse(head_error(status));
    if (down.free_space().empty() && !grow_input(settings.large_client_header_bytes))
      co_return co_await refuse(431);
    const auto got = co_await down.transport.read_some(down.free_space());
    if (got.status == IoStatus::kTimeout && down.end > 0) co_return co_await refuse(408);
    if (!got.ok()) co_return HeadResult::kClose;
    down.end += got.bytes;
  }
  down.transport.disarm_read();
  if (down.input.size() - parser.head_bytes() < kBodyRoom) grow_input(BufferPool::kLarge);
  if (down.input.size() - parser.head_bytes() < kBodyRoom) co_return co_await refuse(431);
  const std::string_view head = down.unread().substr(0, parser.head_bytes());
  std::uint16_t status = http1::validate_request(parser, head, state_->request);
  // A body of moderate size has its place behind the head; what refers to the head moves along.
  if (status == 0 && state_->request.framing == routing::BodyFraming::kLength &&
      state_->request.content_length > down.input.size() - parser.head_bytes() &&
      grow_input(BufferPool::kLarge))
    status = http1::validate_request(
        parser, down.unread().substr(0, parser.head_bytes()), state_->request
    );
  if (status != 0) co_return co_await refuse(status, &state_->request);
  if (state_->access.enabled()) state_->access.set_request_line(first_line(down.unread()));
  down.begin = parser.head_bytes();
  ++down.requests;
  co_return HeadResult::kHead;
}

Task<void> Connection::linger() {
  Downstream& down = downstream_;
  down.input.reset();
  down.begin = down.end = 0;
  down.transport.resume(Direction::kRead);
  down.transport.arm_read(kLingerTime);
  for (std::size_t thrown_away = 0; thrown_away < kLingerBytes && !cut_;) {
    const auto got = co_await down.transport.discard_some();
    if (!got.ok()) break;
    thrown_away += got.bytes;
  }
}

}  // namespace cppx::proxy
