#include <fmt/format.h>
#include <signal.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio.hpp>

#include "app/admin_routes.h"
#include "app/admin_server.h"
#include "app/commands.h"
#include "app/memory_guard.h"
#include "app/metrics.h"
#include "app/signals.h"
#include "app/takeover/predecessor.h"
#include "app/takeover/succession.h"
#include "base/cpu.h"
#include "base/log.h"
#include "controller/admission/webhook.h"
#include "controller/controller.h"
#include "proxy/proxy_server.h"

namespace cppx::app {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::milliseconds kDrainPoll{50};
constexpr std::chrono::milliseconds kServingPoll{5};
/// For a health check that is connected and has not asked yet, when all else has ended.
constexpr std::chrono::seconds kHealthPatience{2};
/// Longer than a burst: who would connect meanwhile is better off elsewhere.
constexpr std::chrono::seconds kShortOfMemoryPatience{5};

/// Lets a hook see what is published on its way to the proxy.
class HookedSink final : public routing::SnapshotSink {
 public:
  using Retire = std::function<void(std::shared_ptr<const routing::Snapshot>)>;

  /// `retire` gets each snapshot when there is a newer one.
  HookedSink(routing::SnapshotSink& next, const ServeHooks& hooks, Retire retire)
      : next_(next), hooks_(hooks), retire_(std::move(retire)) {}
  void publish(std::shared_ptr<const routing::Snapshot> snapshot) override {
    if (hooks_.on_snapshot) hooks_.on_snapshot(*snapshot);
    {
      const std::scoped_lock lock(mutex_);
      std::swap(last_, snapshot);
    }
    next_.publish(last());
    retire_(std::move(snapshot));
  }

  /// The newest one; null before the first. From any thread.
  std::shared_ptr<const routing::Snapshot> last() const {
    const std::scoped_lock lock(mutex_);
    return last_;
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const routing::Snapshot> last_;
  routing::SnapshotSink& next_;
  const ServeHooks& hooks_;
  Retire retire_;
};

proxy::ProxyOptions proxy_options(
    const Flags& flags, std::optional<Predecessor>& predecessor, MemoryGuard& memory
) {
  proxy::ProxyOptions options;
  if (predecessor) options.inherited = predecessor->take_listeners();
  options.on_memory_growth = [&memory] { return memory.level_now(); };
  options.memory_limit_bytes = memory.limit_bytes();
  options.workers = flags.workers != 0 ? flags.workers : available_cpus();
  options.listeners = {
      {.name = std::string(routing::kHttpListener),
       .tls = false,
       .bind_address = flags.bind_address,
       .port = flags.http_port},
      // Whatever port is listened on, the world's name for it is 443, as ingress-nginx tells
      // backends.
      {.name = std::string(routing::kHttpsListener),
       .tls = true,
       .bind_address = flags.bind_address,
       .port = flags.https_port,
       .forwarded_port = 443}
  };
  return options;
}

/// The program while it serves: starts what there is in order, and ends it in order when a signal
/// comes.
class Server {
 public:
  Server(const Flags& flags, const ServeHooks& hooks, std::optional<Predecessor> predecessor)
      : flags_(flags),
        hooks_(hooks),
        predecessor_(std::move(predecessor)),
        signals_(io_, [this](int signal) { on_signal(signal); }),
        timer_(io_),
        memory_(
            io_, flags.memory_limit_bytes,
            [this](proxy::MemoryLevel level) { proxy_.on_memory_level(level); }
        ),
        // The last user of a snapshot was a worker; freeing ten thousand routes is done here
        // instead.
        proxy_(
            proxy_options(flags, predecessor_, memory_),
            [this](auto old) { free_here(std::move(old)); }
        ),
        sink_(proxy_, hooks, [this](auto old) { free_here(std::move(old)); }),
        controller_(flags.controller, sink_),
        admin_(io_, [this](const AdminRequest& request) { return answer(request); }),
        succession_(io_, [this] { return offered(); }, [this] { on_successor_serves(); }) {}

  Result<void> start() {
    if (const auto started = signals_.start(); !started) return started.error();
    if (const auto started = proxy_.start(); !started) return started.error();
    const std::string& health_host =
        flags_.healthz_host.empty() ? flags_.bind_address : flags_.healthz_host;
    const auto health = listen_for_health(health_host);
    if (!health) return health.error();
    const auto& bound = proxy_.bound();
    if (hooks_.on_listening) hooks_.on_listening(bound[0].port, bound[1].port);
    if (const auto started = controller_.start(); !started) return started.error();
    if (const auto started = start_webhook(); !started) return started.error();
    log::info(
        "serving http on {}, https on {}, health on {}:{}", bound[0].address, bound[1].address,
        health_host.empty() ? "[::]" : health_host, *health
    );
    for (const auto& name : flags_.ignored) log::warning("flag {} changes nothing in cppx", name);
    memory_.start();
    if (predecessor_) {
      tell_predecessor();
      return {};
    }
    admin_.start();
    return offer_sockets();
  }

  void run() { io_.run(); }

  void stop() {
    signals_.stop();
    succession_.stop();
    memory_.stop();
    if (webhook_) webhook_->stop();
    controller_.stop(departure());
    leave_to_predecessor();
    proxy_.stop();
    admin_.stop();
    // Snapshots that came back last.
    io_.restart();
    io_.poll();
  }

 private:
  Result<std::uint16_t> listen_for_health(const std::string& host) {
    if (predecessor_) {
      const auto adopted =
          admin_.adopt(predecessor_->take_health_socket(), host, flags_.healthz_port);
      if (adopted != 0) return adopted;
    }
    return admin_.listen(host, flags_.healthz_port);
  }

  Result<void> start_webhook() {
    if (flags_.webhook.address.empty()) return {};
    controller::WebhookOptions options = flags_.webhook;
    options.may_write = [this] {
      const auto duties = controller_.status().duties;
      return !duties.elects || duties.leading;
    };
    webhook_.emplace(
        std::move(options),
        [this](controller::Ingress ingress, controller::ReviewDone done) {
          controller_.review(std::move(ingress), std::move(done));
        }
    );
    const auto port = webhook_->start();
    if (!port) return port.error();
    log::info("validating webhook on port {}", *port);
    return {};
  }

  /// The one before answers health checks and takes new connections until all of ours do.
  void tell_predecessor() {
    if (proxy_.serving_generation() > 0) {
      log::info("taking over from the cppx before this one");
      predecessor_->tell_serving();
      predecessor_.reset();
      admin_.start();
      if (const auto offered = offer_sockets(); !offered)
        log::error("no successor can ask for the sockets: {}", offered.error().detail);
      return;
    }
    timer_.expires_after(kServingPoll);
    timer_.async_wait([this](boost::system::error_code error) {
      if (!error && !ending_) tell_predecessor();
    });
  }

  Result<void> offer_sockets() {
    if (flags_.takeover.empty()) return {};
    return succession_.listen(flags_.takeover);
  }

  OfferedSockets offered() {
    OfferedSockets open;
    if (!drained_) open.listeners = proxy_.sockets();
    open.health = admin_.native_handle();
    return open;
  }

  /// Who waits at the sockets is the predecessor's, and nobody is served here yet.
  void leave_to_predecessor() {
    if (!predecessor_) return;
    proxy_.leave_listeners();
    // It may take another successor.
    predecessor_.reset();
  }

  void on_signal(int signal) {
    switch (signal) {
      case SIGUSR1:
        // What nginx is told by it after logrotate has renamed the file.
        proxy_.reopen_access_log();
        break;
      case SIGUSR2:
        if (ending_ || predecessor_)
          log::warning("SIGUSR2: not while this process begins or ends");
        else
          succession_.start_successor();
        break;
      case SIGCHLD:
        succession_.reap();
        break;
      case SIGHUP:
        log::info("SIGHUP: nothing to do, manifests and objects are followed by themselves");
        break;
      default:
        end(signal);
    }
  }

  void on_successor_serves() {
    handed_over_ = true;
    admin_.stop();
    if (drained_) return;
    log::info("a successor serves: ending when the connections of this process have ended");
    ending_ = true;
    controller_.leave(controller::Departure::kHandedOver);
    proxy_.hand_over();
    wait_until_drained(flags_.worker_shutdown_timeout);
  }

  void end(int signal) {
    if (told_to_end_) {
      log::warning("second signal: cutting what is still open");
      io_.stop();
      return;
    }
    told_to_end_ = true;
    ending_ = true;
    const char* name = ::sigabbrev_np(signal);
    if (handed_over_) {
      // New connections are the successor's already: nobody has to hear of it first.
      log::info("SIG{}: closing what is idle; a successor serves", name);
      proxy_.drain();
      return;
    }
    log::info(
        "SIG{}: not ready any more; new connections end in {} s", name,
        flags_.shutdown_grace_period.count()
    );
    proxy_.wind_down();
    leave_to_predecessor();
    timer_.expires_after(flags_.shutdown_grace_period);
    timer_.async_wait([this](boost::system::error_code error) {
      if (error) return;
      controller_.leave(departure());
      proxy_.drain();
      drained_ = true;
      wait_until_drained(flags_.worker_shutdown_timeout);
    });
  }

  /// A successor that has the sockets is as good as one that serves: the names of this address are
  /// not to go for the moment between.
  [[nodiscard]] controller::Departure departure() const {
    return handed_over_ || succession_.has_candidate() ? controller::Departure::kHandedOver
                                                       : controller::Departure::kEnds;
  }

  void wait_until_drained(std::chrono::seconds at_most) {
    const auto now = std::chrono::steady_clock::now();
    deadline_ = now + at_most;
    health_deadline_ = now + kHealthPatience;
    look_whether_drained();
  }

  void look_whether_drained() {
    const auto open = proxy_.active_connections();
    const auto now = std::chrono::steady_clock::now();
    const bool late = now >= deadline_;
    const bool owes = admin_.owed() != 0 && now < health_deadline_;
    if ((open == 0 && !owes) || late) {
      if (open != 0)
        log::warning(
            "{} connections still open after {} s are cut", open,
            flags_.worker_shutdown_timeout.count()
        );
      io_.stop();
      return;
    }
    timer_.expires_after(kDrainPoll);
    timer_.async_wait([this](boost::system::error_code error) {
      if (!error) look_whether_drained();
    });
  }

  void free_here(std::shared_ptr<const routing::Snapshot> old) {
    asio::post(io_, [old = std::move(old)] {});
  }

  AdminReply answer(const AdminRequest& request) {
    const std::string& path = request.path;
    const auto status = controller_.status();
    if (path == "/metrics")
      return {
          .body = render_metrics(proxy_.counters(), status),
          .content_type = "text/plain; version=0.0.4"
      };
    if (path == "/livez") return {.body = "ok\n"};
    if (path == "/readyz" || path == flags_.health_check_path || path == "/healthz")
      return readiness(path == "/readyz", status);
    if (path == "/explain" || path == "/routes")
      return answer_about_routes(
          request, {.snapshot = sink_.last(),
                    .diagnostics = *status.diagnostics,
                    .options = flags_.controller.translate}
      );
    return {
        .status = 404, .body = "known here: /explain /healthz /livez /metrics /readyz /routes\n"
    };
  }

  AdminReply readiness(bool must_serve, const controller::ControllerStatus& status) const {
    // With a successor it is not this address that ends, and that is what a probe asks about.
    if (handed_over_) return {.body = "ok\n"};
    if (ending_) return {.status = 500, .body = "ending\n"};
    // Only to those who ask whether to send somebody here: a restart would cut what is in progress.
    if (must_serve && memory_.short_for() >= kShortOfMemoryPatience)
      return {.status = 500, .body = "not ready: memory is short (--memory-limit)\n"};
    if (status.from_cache && proxy_.serving_generation() > 0)
      return {
          .body = fmt::format("ok, by the snapshot cache: waiting for {}\n", status.waiting_for)
      };
    if (!must_serve || proxy_.serving_generation() > 0) return {.body = "ok\n"};
    return {
        .status = 500,
        .body = fmt::format(
            "not ready: waiting for {}\n",
            status.waiting_for.empty() ? "the workers" : status.waiting_for
        )
    };
  }

  const Flags& flags_;
  const ServeHooks& hooks_;
  std::optional<Predecessor> predecessor_;  // until this process serves
  asio::io_context io_{1};
  Signals signals_;
  asio::steady_timer timer_;
  MemoryGuard memory_;  // before the proxy, whose threads tell it
  proxy::ProxyServer proxy_;
  HookedSink sink_;
  std::optional<controller::Webhook> webhook_;  // before the controller, whose answers it takes
  controller::Controller controller_;
  AdminServer admin_;
  Succession succession_;
  bool ending_ = false;
  bool told_to_end_ = false;  // by a signal
  bool handed_over_ = false;
  bool drained_ = false;  // what was listened on is closed
  std::chrono::steady_clock::time_point deadline_;
  std::chrono::steady_clock::time_point health_deadline_;
};

/// `exit_code`; does not return where nobody reads standard error.
int end_log(int exit_code) {
  if (!log::stop()) std::_Exit(exit_code);
  return exit_code;
}

}  // namespace

int serve(const Flags& flags, const ServeHooks& hooks) {
  Signals::block();
  log::start(flags.log_level, flags.log_json);
  int exit_code = 0;
  auto predecessor = Predecessor::find(flags.takeover);
  if (!predecessor) {
    std::fprintf(stderr, "cppx: %s\n", predecessor.error().detail.c_str());
    return end_log(kErrorOfUse);
  }
  {
    Server server(flags, hooks, std::move(*predecessor));
    if (const auto started = server.start(); !started) {
      std::fprintf(stderr, "cppx: %s\n", started.error().detail.c_str());
      exit_code = kErrorOfUse;
    } else {
      server.run();
    }
    server.stop();
  }
  if (exit_code == 0) log::info("ended");
  return end_log(exit_code);
}

int run(const Flags& flags) { return serve(flags, {}); }

}  // namespace cppx::app
