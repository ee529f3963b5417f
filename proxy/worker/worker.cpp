#include "proxy/worker/worker.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <functional>
#include <iterator>
#include <random>
#include <utility>

#include "base/coarse_clock.h"
#include "base/memory.h"
#include "proxy/coro/task.h"
#include "proxy/stream/connection.h"
#include "proxy/worker/connection_limit.h"

namespace cppx::proxy {
namespace {

// Each time the worker hears that memory is short.
constexpr int kShedAtOnce = 256;
// When there is no room: how many that have just come are heard out, a share of the connections
// between these bounds.
constexpr std::size_t kNewcomersShare = 8;
constexpr std::size_t kNewcomersLeast = 8;
constexpr std::size_t kNewcomersMax = 64;
constexpr std::chrono::milliseconds kRoomCheck{50};
// Exhausted: one connection in so many, and one at least.
constexpr std::size_t kCutShare = 16;
// What is over by then was made within as short a time: a worker makes some thousand sessions,
// which take a few milliseconds to be freed.
constexpr std::chrono::seconds kSessionSweep{1};

std::uint64_t random_seed() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

SessionExchange::Tell exchange_through(
    std::function<void(std::uint32_t, std::function<void(Worker&)>)> tell_worker
) {
  return [tell_worker = std::move(tell_worker
          )](std::uint32_t worker, std::function<void(SessionExchange&)> work) {
    tell_worker(worker, [work = std::move(work)](Worker& told) { work(told.tls_sessions()); });
  };
}

}  // namespace

Worker::Worker(
    std::uint32_t index, std::uint32_t count, std::unique_ptr<tls::ServerContext> tls,
    std::unique_ptr<tls::ClientContext> upstream_tls, Retire retire, SharedState shared
)
    : index_(index),
      count_(count),
      wheel_(loop_),
      growth_([this, level_now = std::move(shared.on_memory_growth)] {
        on_memory_growth(level_now);
      }),
      snapshots_(std::move(retire), shared.arrived_generation),
      upstreams_(wheel_),
      http2_upstreams_(*this, wheel_),
      balancer_(index, count, shared.health, random_seed()),
      tls_(std::move(tls)),
      tls_sessions_(index, wheel_, *tls_, exchange_through(std::move(shared.tell_worker))),
      upstream_tls_(std::move(upstream_tls)),
      access_log_(shared.access_log),
      limits_(shared.limits),
      open_files_(shared.open_files_of_worker) {}

Worker::~Worker() = default;

void Worker::listen(ListenerSocket socket) {
  listeners_.push_back(std::make_unique<Listener>(*this, loop_, wheel_, std::move(socket)));
}

void Worker::run() { loop_.run(); }

void Worker::offer(std::shared_ptr<const routing::Snapshot> snapshot) {
  snapshots_.offer(std::move(snapshot));
}

std::uint64_t Worker::adopt() {
  const bool first = snapshots_.empty();
  snapshots_.advance();
  snapshots_.release_unused();
  const routing::Snapshot& current = snapshots_.current();
  balancer_.keep_only(current);
  resume_if_room();
  // Until there is something to serve, clients wait in the kernel's queue instead of getting a 404.
  if (first && !draining_)
    for (const auto& listener : listeners_) listener->start();
  return current.generation;
}

OpenSockets Worker::open_sockets() const noexcept {
  return {
      .clients = connections_.size(), .all = loop_.sockets(), .open_files_of_worker = open_files_
  };
}

Descriptor Worker::open_upstream_socket(const UpstreamKey& key) {
  if (needs_room_for_upstream(*snapshots_.current().settings, open_sockets()) &&
      !close_idle_upstream())
    shed_idle_client();
  growth_.add(MemoryGrowth::kConnection + (key.tls ? MemoryGrowth::kHandshake : 0));
  Descriptor socket = UpstreamConnection::open_socket(key);
  if (!socket.is_open() && (errno == EMFILE || errno == ENFILE)) {
    on_descriptors_exhausted();
    socket = UpstreamConnection::open_socket(key);
  }
  return socket;
}

void Worker::shed_idle_client() noexcept {
  const std::size_t newcomers =
      std::clamp(connections_.size() / kNewcomersShare, kNewcomersLeast, kNewcomersMax);
  if (idle_connections_.shed_oldest(newcomers)) ++counters_.idle_connections_shed;
}

bool Worker::has_room() const noexcept {
  return !short_of_memory() && has_room_for_client(*snapshots_.current().settings, open_sockets());
}

void Worker::wait_for_room() {
  ++counters_.accepts_paused;
  room_wanted_ = true;
  // Until there is room nobody else becomes idle either: the one that is asked to go may have a
  // request by now.
  idle_connections_.want_room(true);
  look_for_room();
  if (room_wanted_) shed_idle_client();
}

void Worker::look_for_room() {
  while (!has_room() && lacks_files_for_client(*snapshots_.current().settings, open_sockets()) &&
         close_idle_upstream()) {
  }
  resume_if_room();
  if (room_wanted_ && !draining_) room_check_.arm(kRoomCheck);
}

void Worker::resume_if_room() {
  if (!room_wanted_ || draining_ || !has_room()) return;
  room_wanted_ = false;
  idle_connections_.want_room(false);
  for (const auto& listener : listeners_) listener->resume();
}

bool Worker::close_idle_upstream() {
  return upstreams_.close_oldest() || http2_upstreams_.close_an_idle_one();
}

void Worker::on_descriptors_exhausted() {
  upstreams_.close_all();
  http2_upstreams_.close_idle();
  shed_idle_client();
}

// Half a head, or a handshake that is not gone on with, would hold what it takes for a minute, and
// nobody else be let in.
void Worker::hasten_clients() {
  constexpr std::chrono::seconds kAgain{1};
  const auto now = coarse_steady_now();
  if (now < hastened_ + kAgain) return;
  hastened_ = now;
  for (Connection& connection : connections_) connection.hasten();
}

// The others, and what is to be given back, may wait until the main thread has its turn; what comes
// next to this worker may not.
void Worker::on_memory_growth(const std::function<MemoryLevel()>& level_now) {
  if (!level_now || level_now() < MemoryLevel::kShort || short_of_memory()) return;
  memory_level_ = MemoryLevel::kShort;
}

void Worker::release_kept_memory() noexcept {
  buffers_.release_idle();
  stream_states_.release_idle();
  FramePool::release_idle();
  // It stays with the allocator otherwise, and resident.
  release_free_memory();
}

void Worker::on_memory_level(MemoryLevel level) {
  memory_level_ = level;
  if (level == MemoryLevel::kHigh) release_kept_memory();
  if (level < MemoryLevel::kShort) {
    resume_if_room();
    return;
  }
  for (int shed = 0; shed < kShedAtOnce && idle_connections_.shed_oldest(0); ++shed)
    ++counters_.idle_connections_shed;
  hasten_clients();
  upstreams_.close_all();
  http2_upstreams_.close_idle();
  // All at once: what it takes is one pause of some milliseconds, and they may be what memory is
  // short for. No handshake comes now to make OpenSSL look for those that are over.
  tls_->forget_sessions();
  release_kept_memory();
  if (level != MemoryLevel::kExhausted) return;
  // Those that have been there for longest are the least likely to be the cause.
  std::size_t cut = connections_.size() / kCutShare + 1;
  for (auto last = connections_.rbegin(); last != connections_.rend() && cut > 0; ++last, --cut) {
    if (last->is_cut()) continue;
    ++counters_.connections_cut_for_memory;
    last->cut();
  }
}

void Worker::on_accept(Descriptor socket, const Listener& listener, const ClientAddress& client) {
  ++counters_.connections_accepted;
  growth_.add(MemoryGrowth::kConnection);
  const std::uint64_t number = counters_.connections_accepted * count_ + index_;
  const auto connection = connections_.emplace(connections_.end(), *this, listener, client, number);
  if (!connection->assign(std::move(socket))) {
    connections_.erase(connection);
    return;
  }
  ++counters_.connections_active;
  spawn(connection->serve(), [this, connection] { on_connection_end(connection); });
}

bool Worker::on_handshake() {
  // It takes forty times what the connection did so far: a crowd that has been let in while there
  // was memory must not speak up all at once.
  if (short_of_memory()) {
    ++counters_.idle_connections_shed;
    return false;
  }
  growth_.add(MemoryGrowth::kHandshake);
  if (!session_sweep_.armed()) session_sweep_.arm(kSessionSweep);
  return true;
}

void Worker::sweep_sessions() {
  tls_->forget_ended_sessions();
  if (tls_->sessions() != 0 || !connections_.empty()) session_sweep_.arm(kSessionSweep);
}

void Worker::on_connection_end(std::list<Connection>::iterator connection) {
  --counters_.connections_active;
  connections_.erase(connection);
  resume_if_room();
  end_if_idle();
}

void Worker::wind_down() {
  if (winding_down_) return;
  winding_down_ = true;
  for (Connection& connection : connections_) connection.wind_down();
}

void Worker::hand_over() {
  wind_down();
  // What the other process does not listen at, with other ports or addresses, only this one can
  // take from. Where nothing is served yet nobody has an answer to give.
  if (snapshots_.empty()) return leave_listeners();
  for (const auto& listener : listeners_) listener->stop();
}

void Worker::leave_listeners() {
  for (const auto& listener : listeners_) listener->leave();
}

void Worker::drain() {
  if (draining_) return;
  winding_down_ = true;
  draining_ = true;
  for (const auto& listener : listeners_) listener->stop();
  // Ending an idle connection takes it out of the list, but only after its wait was completed by
  // the loop.
  for (Connection& connection : connections_) connection.drain();
}

void Worker::stop() {
  drain();
  stopping_ = true;
  for (Connection& connection : connections_) connection.cut();
  upstreams_.close_all();
  http2_upstreams_.close_all();
  end_if_idle();
}

void Worker::end_if_idle() {
  if (!stopping_ || !connections_.empty()) return;
  if (!http2_upstreams_.all_ended()) {
    // They have been cut: what they still have under way ends within a turn or two of the loop.
    loop_.post([this] { end_if_idle(); });
    return;
  }
  upstreams_.close_all();
  loop_.stop();
}

std::string_view Worker::date() {
  const std::time_t now = coarse_time();
  if (now != date_second_) {
    date_second_ = now;
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    std::strftime(date_.data(), date_.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  }
  return {date_.data(), 29};
}

}  // namespace cppx::proxy
