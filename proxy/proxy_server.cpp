#include "proxy/proxy_server.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <limits>
#include <random>
#include <utility>

#include "proxy/worker/connection_limit.h"
#include "proxy/worker/worker.h"
#include "tls/client_context.h"
#include "tls/server_context.h"

namespace cppx::proxy {

namespace {

routing::SipKey random_key() {
  std::random_device device;
  const auto word = [&] { return std::uint64_t{device()} << 32 | device(); };
  return {.low = word(), .high = word()};
}

}  // namespace

struct ProxyServer::Slot {
  std::unique_ptr<Worker> worker;
  std::thread thread;
  std::atomic<std::uint64_t> generation{0};  // written by the worker when it has adopted one
};

ProxyServer::ProxyServer(ProxyOptions options, Retire retire)
    : options_(std::move(options)), retire_(std::move(retire)), limits_(random_key()) {}

ProxyServer::~ProxyServer() { stop(); }

Result<void> ProxyServer::start() {
  const std::uint64_t open_files = open_files_of_worker(raise_open_files_limit(), options_.workers);
  const std::size_t sessions = tls::sessions_within(options_.memory_limit_bytes, options_.workers);
  for (std::uint32_t i = 0; i < options_.workers; ++i) {
    auto tls = tls::ServerContext::create({.index = i, .count = options_.workers}, sessions);
    if (!tls) return tls.error();
    auto upstream_tls = tls::ClientContext::create();
    if (!upstream_tls) return upstream_tls.error();
    auto slot = std::make_unique<Slot>();
    slot->worker = std::make_unique<Worker>(
        i, options_.workers, std::move(*tls), std::move(*upstream_tls), retire_,
        SharedState{
            .health = health_,
            .limits = limits_,
            .access_log = access_log_,
            .arrived_generation = arrived_,
            .open_files_of_worker = open_files,
            .on_memory_growth = options_.on_memory_growth,
            .tell_worker =
                [this](std::uint32_t worker, std::function<void(Worker&)> work) {
                  Worker& told = *slots_[worker]->worker;
                  told.post([&told, work = std::move(work)] { work(told); });
                }
        }
    );
    slots_.push_back(std::move(slot));
  }
  if (const auto opened = open_listeners(); !opened) return opened.error();
  if (const auto started = access_log_.start(); !started) return started.error();
  for (const auto& slot : slots_)
    slot->thread = std::thread([&worker = *slot->worker] { worker.run(); });
  running_ = true;
  return {};
}

std::vector<ListenerSocket> ProxyServer::take_inherited(const ListenerConfig& config) {
  std::vector<ListenerSocket> taken;
  for (ListenerSocket& socket : options_.inherited) {
    if (socket.socket < 0 || socket.config.name != config.name ||
        socket.config.bind_address != config.bind_address ||
        (config.port != 0 && socket.port != config.port))
      continue;
    taken.push_back({.socket = socket.socket, .port = socket.port, .config = config});
    taken.back().config.port = socket.port;
    socket.socket = -1;
  }
  return taken;
}

Result<std::uint16_t> ProxyServer::open_listener_on_all(ListenerConfig config) {
  auto opened = take_inherited(config);
  ListenerPlace place = ListenerPlace::kFirst;
  if (!opened.empty()) {
    config.port = opened.front().port;
    place = ListenerPlace::kBesidePredecessor;
  }
  while (opened.size() < slots_.size()) {
    auto socket = open_listener(config, place);
    if (!socket) return socket.error();
    // Port 0: the others listen where the first one was put.
    config.port = socket->port;
    if (place == ListenerPlace::kFirst) place = ListenerPlace::kBesideOwn;
    opened.push_back(std::move(*socket));
  }
  // Of a process with more workers there are more: what is queued at each has to be served.
  for (std::size_t i = 0; i < opened.size(); ++i) {
    sockets_.push_back(opened[i]);
    slots_[i % slots_.size()]->worker->listen(std::move(opened[i]));
  }
  return config.port;
}

Result<void> ProxyServer::open_listeners() {
  for (ListenerConfig config : options_.listeners) {
    const auto port = open_listener_on_all(config);
    if (!port) return port.error();
    config.port = *port;
    const bool v6 =
        config.bind_address.empty() || config.bind_address.find(':') != std::string::npos;
    const std::string host = config.bind_address.empty() ? "::" : config.bind_address;
    bound_.push_back(
        {.name = config.name,
         .address = v6 ? fmt::format("[{}]:{}", host, config.port)
                       : fmt::format("{}:{}", host, config.port),
         .port = config.port}
    );
  }
  for (const ListenerSocket& unused : options_.inherited)
    if (unused.socket >= 0) ::close(unused.socket);
  options_.inherited.clear();
  return {};
}

void ProxyServer::publish(std::shared_ptr<const routing::Snapshot> snapshot) {
  if (!running_) return;
  if (const auto& log = snapshot->settings->access_log; log.enabled)
    access_log_.set_destination(log.path);
  auto missing = std::make_shared<std::atomic<std::size_t>>(slots_.size());
  for (const auto& slot : slots_) {
    slot->worker->post([this, &worker = *slot->worker, snapshot, missing] {
      worker.offer(snapshot);
      // Generations arrive in their order: a worker gets here for the next one after this.
      if (missing->fetch_sub(1, std::memory_order_acq_rel) == 1) arrived(snapshot->generation);
    });
  }
}

void ProxyServer::arrived(std::uint64_t generation) {
  arrived_.store(generation, std::memory_order_release);
  for (const auto& slot : slots_)
    slot->worker->post([&slot = *slot] {
      slot.generation.store(slot.worker->adopt(), std::memory_order_release);
    });
}

std::uint64_t ProxyServer::serving_generation() const noexcept {
  std::uint64_t lowest = slots_.empty() ? 0 : std::numeric_limits<std::uint64_t>::max();
  for (const auto& slot : slots_)
    lowest = std::min(lowest, slot->generation.load(std::memory_order_acquire));
  return lowest;
}

template <class Call>
void ProxyServer::tell_workers(Call call) {
  if (!running_) return;
  for (const auto& slot : slots_)
    slot->worker->post([&worker = *slot->worker, call] { call(worker); });
}

void ProxyServer::on_memory_level(MemoryLevel level) {
  tell_workers([level](Worker& worker) { worker.on_memory_level(level); });
}

void ProxyServer::wind_down() {
  tell_workers([](Worker& worker) { worker.wind_down(); });
}

void ProxyServer::hand_over() {
  tell_workers([](Worker& worker) { worker.hand_over(); });
}

void ProxyServer::leave_listeners() {
  tell_workers([](Worker& worker) { worker.leave_listeners(); });
}

void ProxyServer::drain() {
  tell_workers([](Worker& worker) { worker.drain(); });
}

Counters ProxyServer::counters() {
  Counters sum;
  if (!running_) return sum;
  std::vector<std::future<Counters>> answers;
  for (const auto& slot : slots_) {
    auto promise = std::make_shared<std::promise<Counters>>();
    answers.push_back(promise->get_future());
    slot->worker->post([&worker = *slot->worker, promise] {
      Counters counters = worker.counters();
      counters.upstream_idle = worker.upstreams().idle();
      counters.upstream_ejections = worker.balancer().ejections();
      counters.retries_denied = worker.retry_budget().denied();
      counters.access_log_lines_dropped = worker.access_log().lines_dropped();
      promise->set_value(counters);
    });
  }
  for (auto& answer : answers) sum.add(answer.get());
  sum.access_log_lines_dropped += access_log_.lines_dropped();
  return sum;
}

std::uint64_t ProxyServer::active_connections() { return counters().connections_active; }

void ProxyServer::stop() {
  if (!running_) return;
  tell_workers([](Worker& worker) { worker.stop(); });
  running_ = false;
  for (const auto& slot : slots_) slot->thread.join();
  access_log_.stop();
}

}  // namespace cppx::proxy
