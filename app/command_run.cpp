#include <fmt/format.h>
#include <signal.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <utility>

#include <boost/asio.hpp>

#include "app/admin_server.h"
#include "app/commands.h"
#include "app/metrics.h"
#include "base/cpu.h"
#include "base/log.h"
#include "controller/controller.h"
#include "proxy/proxy_server.h"

namespace cppx::app {
namespace {

namespace asio = boost::asio;

constexpr int kErrorOfUse = 2;
constexpr std::chrono::milliseconds kDrainPoll{50};

/// Lets a hook see what is published on its way to the proxy.
class HookedSink final : public routing::SnapshotSink {
 public:
  HookedSink(routing::SnapshotSink& next, const ServeHooks& hooks) : next_(next), hooks_(hooks) {}
  void publish(std::shared_ptr<const routing::Snapshot> snapshot) override {
    if (hooks_.on_snapshot) hooks_.on_snapshot(*snapshot);
    next_.publish(std::move(snapshot));
  }

 private:
  routing::SnapshotSink& next_;
  const ServeHooks& hooks_;
};

proxy::ProxyOptions proxy_options(const Flags& flags) {
  proxy::ProxyOptions options;
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
  Server(const Flags& flags, const ServeHooks& hooks)
      : flags_(flags),
        hooks_(hooks),
        signals_(io_, SIGTERM, SIGINT),
        reopen_signal_(io_, SIGUSR1),
        timer_(io_),
        // The last user of a snapshot was a worker; freeing ten thousand routes is done here
        // instead.
        proxy_(
            proxy_options(flags), [this](std::shared_ptr<const routing::Snapshot> old
                                  ) { asio::post(io_, [old = std::move(old)] {}); }
        ),
        sink_(proxy_, hooks),
        controller_(flags.controller, sink_),
        admin_(io_, [this](const std::string& path) { return answer(path); }) {}

  Result<void> start() {
    if (const auto started = proxy_.start(); !started) return started.error();
    const std::string& health_host =
        flags_.healthz_host.empty() ? flags_.bind_address : flags_.healthz_host;
    const auto health = admin_.listen(health_host, flags_.healthz_port);
    if (!health) return health.error();
    const auto& bound = proxy_.bound();
    if (hooks_.on_listening) hooks_.on_listening(bound[0].port, bound[1].port);
    if (const auto started = controller_.start(); !started) return started.error();
    log::info(
        "serving http on {}, https on {}, health on {}:{}", bound[0].address, bound[1].address,
        health_host.empty() ? "[::]" : health_host, *health
    );
    for (const auto& name : flags_.ignored) log::warning("flag {} changes nothing in cppx", name);
    return {};
  }

  void run() {
    signals_.async_wait([this](boost::system::error_code error, int signal) {
      if (!error) on_signal(signal);
    });
    wait_for_reopen();
    io_.run();
  }

  void stop() {
    controller_.stop();
    proxy_.stop();
    admin_.stop();
    // Snapshots that came back last.
    io_.restart();
    io_.poll();
  }

 private:
  void on_signal(int signal) {
    log::info(
        "{}: not ready any more; new connections end in {} s",
        signal == SIGTERM ? "SIGTERM" : "SIGINT", flags_.shutdown_grace_period.count()
    );
    ending_ = true;
    signals_.async_wait([this](boost::system::error_code error, int) {
      if (error) return;
      log::warning("second signal: cutting what is still open");
      io_.stop();
    });
    timer_.expires_after(flags_.shutdown_grace_period);
    timer_.async_wait([this](boost::system::error_code error) {
      if (error) return;
      proxy_.drain();
      deadline_ = std::chrono::steady_clock::now() + flags_.worker_shutdown_timeout;
      wait_until_drained();
    });
  }

  // What nginx is told by it after logrotate has renamed the file.
  void wait_for_reopen() {
    reopen_signal_.async_wait([this](boost::system::error_code error, int) {
      if (error) return;
      proxy_.reopen_access_log();
      wait_for_reopen();
    });
  }

  void wait_until_drained() {
    const auto open = proxy_.active_connections();
    const bool late = std::chrono::steady_clock::now() >= deadline_;
    if (open == 0 || late) {
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
      if (!error) wait_until_drained();
    });
  }

  AdminReply answer(const std::string& path) {
    const auto status = controller_.status();
    if (path == "/metrics")
      return {
          .body = render_metrics(proxy_.counters(), status),
          .content_type = "text/plain; version=0.0.4"
      };
    if (path == "/livez") return {.body = "ok\n"};
    if (path == "/readyz" || path == flags_.health_check_path || path == "/healthz")
      return readiness(path == "/readyz", status);
    return {.status = 404, .body = "known here: /healthz /livez /metrics /readyz\n"};
  }

  AdminReply readiness(bool must_serve, const controller::ControllerStatus& status) const {
    if (ending_) return {.status = 500, .body = "ending\n"};
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
  asio::io_context io_{1};
  asio::signal_set signals_;
  asio::signal_set reopen_signal_;
  asio::steady_timer timer_;
  proxy::ProxyServer proxy_;
  HookedSink sink_;
  controller::Controller controller_;
  AdminServer admin_;
  bool ending_ = false;
  std::chrono::steady_clock::time_point deadline_;
};

}  // namespace

int serve(const Flags& flags, const ServeHooks& hooks) {
  log::start(flags.log_level, flags.log_json);
  int exit_code = 0;
  {
    Server server(flags, hooks);
    if (const auto started = server.start(); !started) {
      std::fprintf(stderr, "cppx: %s\n", started.error().detail.c_str());
      exit_code = kErrorOfUse;
    } else {
      server.run();
    }
    server.stop();
  }
  if (exit_code == 0) log::info("ended");
  log::stop();
  return exit_code;
}

int run(const Flags& flags) { return serve(flags, {}); }

}  // namespace cppx::app
