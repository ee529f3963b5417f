#include "controller/duties/duties.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/error.h"
#include "base/log.h"
#include "controller/cache/store.h"
#include "controller/duties/duty_options.h"
#include "controller/duties/note_maker.h"
#include "controller/election/leader_elector.h"
#include "controller/events/event_recorder.h"
#include "controller/kube/api_client.h"
#include "controller/kube/kube_config.h"
#include "controller/kube/task.h"
#include "controller/kube/task_group.h"
#include "controller/model/objects.h"
#include "controller/status/address_source.h"
#include "controller/status/addresses.h"
#include "controller/status/status_writer.h"
#include "controller/translate/class_options.h"
#include "controller/translate/diagnostic.h"

namespace cppx::controller {
namespace {

using std::chrono::milliseconds;

/// For removing the status and for releasing the Lease, together.
constexpr milliseconds kLeavePatience{4'000};
constexpr milliseconds kRemovalPatience{3'000};
constexpr milliseconds kRemovalPoll{10};

/// A request that was allowed must have had its answer, or have been given up, before another can
/// lead: all of its parts together take no longer than half of the Lease's time, which begins when
/// the right to send it ends.
ApiClientOptions client_options(milliseconds ttl) {
  ApiClientOptions options;
  options.connect_timeout = std::min(options.connect_timeout, ttl / 8);
  options.tls_timeout = std::min(options.tls_timeout, ttl / 8);
  options.request_timeout = std::min(options.request_timeout, ttl / 4);
  options.idle_connections = 8;
  return options;
}

/// For the Lease: a renewal on a connection that has died in silence must leave time for another.
ApiClientOptions election_options(milliseconds ttl) {
  ApiClientOptions options = client_options(ttl);
  options.request_timeout = std::min(options.request_timeout, ttl / 8);
  return options;
}

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

/// The pod's name, or the machine's with something no other process has.
std::string identity_of(const std::string& pod_name) {
  if (!pod_name.empty()) return pod_name;
  std::random_device random;
  return fmt::format("{}_{:08x}{:08x}", host_name(), random(), random());
}

std::string namespace_of(const KubeConfig& config, const Environment& environment) {
  if (const auto given = environment("POD_NAMESPACE"); given && !given->empty()) return *given;
  return config.default_namespace.empty() ? "default" : config.default_namespace;
}

}  // namespace

class Duties::Impl {
 public:
  Impl(
      std::unique_ptr<ApiClient> election_client, std::unique_ptr<ApiClient> client,
      DutyOptions options, const ClassOptions& classes, const Store& store, std::string ns,
      std::string pod_name
  );

  void start();
  void listed(Kind kind, const std::string& ns, const std::vector<Object>& objects);
  void seen(const Object& object);
  void changed(Kind kind, const ObjectKey& key);
  void removed(Kind kind, const ObjectKey& key);
  void diagnosed(const std::vector<Diagnostic>& diagnostics);
  void leave(Departure departure, std::function<void()> done);
  void stop();
  [[nodiscard]] bool stopped() const noexcept { return tasks_.empty(); }
  [[nodiscard]] DutyState state() const;

 private:
  [[nodiscard]] bool leads() const noexcept { return alone_ || elector_.is_leader(); }
  [[nodiscard]] bool writes_status() const noexcept {
    return options_.update_status && !options_.disable_leader_election;
  }
  void leading_changed(bool leading);
  void tell_diagnostics();
  Task<void> leave_in_order(Departure departure);
  Task<void> remove_status();
  void left();

  std::unique_ptr<ApiClient> election_client_;
  std::unique_ptr<ApiClient> client_;
  DutyOptions options_;
  NoteMaker notes_;
  std::string identity_;
  LeaderElector elector_;
  TaskGroup tasks_;
  StatusWriter status_;
  AddressSource addresses_;
  EventRecorder events_;
  boost::asio::basic_waitable_timer<
      std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>, Executor>
      leave_timer_;
  std::atomic<bool> alone_;  // there is no election: every replica tells for itself
  bool leaving_ = false;
  bool left_ = false;
  std::vector<std::function<void()>> when_left_;
  std::vector<Diagnostic> diagnostics_;
  std::vector<Diagnostic> told_;  // of these, while leading
};

Duties::Impl::Impl(
    std::unique_ptr<ApiClient> election_client, std::unique_ptr<ApiClient> client,
    DutyOptions options, const ClassOptions& classes, const Store& store, std::string ns,
    std::string pod_name
)
    : election_client_(std::move(election_client)),
      client_(std::move(client)),
      options_(std::move(options)),
      notes_(store, classes),
      identity_(identity_of(pod_name)),
      elector_(
          *election_client_,
          {.lease = {ns, options_.election_id}, .identity = identity_, .ttl = options_.election_ttl
          },
          [this](bool leading) { leading_changed(leading); }
      ),
      tasks_(client_->executor()),
      status_(*client_, store, classes, tasks_, [this] { return leads(); }),
      addresses_(
          *client_,
          {.fixed = options_.publish_status_address,
           .publish_service = options_.publish_service,
           .node_internal_ip = options_.report_node_internal_ip_address,
           .pod = pod_name.empty() ? std::nullopt : std::optional(ObjectKey{ns, pod_name}),
           .interval = options_.status_update_interval,
           .list_watch = {}},
          [this](const Addresses& found) {
            if (!leaving_) status_.set_addresses(found);
          }
      ),
      events_(
          *client_, [this] { return leads(); },
          {.origin = {.component = "cppx", .instance = identity_}}
      ),
      leave_timer_(client_->executor()),
      alone_(options_.disable_leader_election) {}

void Duties::Impl::start() {
  if (!options_.disable_leader_election) tasks_.spawn(elector_.run());
  if (writes_status()) addresses_.start(tasks_);
  tasks_.spawn(events_.run());
  status_.look_at_all();
}

void Duties::Impl::listed(Kind kind, const std::string& ns, const std::vector<Object>& objects) {
  if (kind == Kind::kIngress) status_.listed(ns, objects);
  if (kind == Kind::kIngressClass) status_.look_at_all();
}

void Duties::Impl::seen(const Object& object) {
  if (const auto* ingress = std::get_if<Ingress>(&object)) status_.seen(*ingress);
}

void Duties::Impl::changed(Kind kind, const ObjectKey& key) {
  if (kind == Kind::kIngressClass) status_.look_at_all();
  if (kind != Kind::kIngress || options_.disable_sync_events) return;
  if (auto note = notes_.of_sync(key)) events_.record(*std::move(note));
}

void Duties::Impl::removed(Kind kind, const ObjectKey& key) {
  if (kind == Kind::kIngress) status_.removed(key);
}

void Duties::Impl::diagnosed(const std::vector<Diagnostic>& diagnostics) {
  diagnostics_ = diagnostics;
  if (leads()) tell_diagnostics();
}

void Duties::Impl::tell_diagnostics() {
  std::vector<Diagnostic> fresh;
  std::ranges::set_difference(diagnostics_, told_, std::back_inserter(fresh));
  for (const Diagnostic& diagnostic : fresh) events_.record(notes_.of(diagnostic));
  told_ = diagnostics_;
}

void Duties::Impl::leading_changed(bool leading) {
  if (!leading) {
    addresses_.pause();
    told_.clear();
    return;
  }
  if (writes_status()) addresses_.begin();
  tell_diagnostics();
}

void Duties::Impl::leave(Departure departure, std::function<void()> done) {
  if (left_) {
    done();
    return;
  }
  when_left_.push_back(std::move(done));
  if (std::exchange(leaving_, true)) return;
  leave_timer_.expires_after(kLeavePatience);
  leave_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) left();
  });
  tasks_.spawn(leave_in_order(departure));
}

void Duties::Impl::left() {
  if (std::exchange(left_, true)) return;
  leave_timer_.cancel();
  for (const auto& done : std::exchange(when_left_, {})) done();
}

Task<void> Duties::Impl::leave_in_order(Departure departure) {
  addresses_.pause();
  if (departure == Departure::kEnds && writes_status() && options_.update_status_on_shutdown &&
      elector_.is_leader())
    co_await remove_status();
  alone_ = false;
  if (!options_.disable_leader_election) co_await elector_.release();
  // Not from here: whoever hears of it may cancel this task, which may never have waited. Asio lets
  // the exception of such a one out of run().
  boost::asio::post(leave_timer_.get_executor(), [this] { left(); });
}

Task<void> Duties::Impl::remove_status() {
  const auto others = co_await addresses_.others_run();
  if (!others || *others) {
    log::info(
        "The status of Ingresses is left as it is: {}",
        others ? std::string("other replicas run") : others.error().detail
    );
    co_return;
  }
  log::info("The status of Ingresses is removed: no other replica runs");
  status_.set_addresses({});
  const auto deadline = std::chrono::steady_clock::now() + kRemovalPatience;
  while (!status_.idle() && std::chrono::steady_clock::now() < deadline) {
    boost::asio::basic_waitable_timer<
        std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>, Executor>
        timer(client_->executor(), kRemovalPoll);
    const auto waited = co_await timer.async_wait(kAsTuple);
    static_cast<void>(waited);
  }
}

void Duties::Impl::stop() {
  leave_timer_.cancel();
  elector_.abandon();
  tasks_.cancel();
}

DutyState Duties::Impl::state() const {
  const auto& status = status_.counters();
  const auto& events = events_.counters();
  return {
      .elects = !options_.disable_leader_election,
      .election_id = options_.election_id,
      .leading = elector_.is_leader(),
      .statuses_written = status.written.load(std::memory_order_relaxed),
      .status_failures = status.failed.load(std::memory_order_relaxed),
      .events_sent = events.sent.load(std::memory_order_relaxed),
      .events_dropped = events.dropped.load(std::memory_order_relaxed),
  };
}

Duties::Duties(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Duties::~Duties() = default;

Result<std::unique_ptr<Duties>> Duties::create(
    boost::asio::io_context& io, KubeConfig config, DutyOptions options,
    const ClassOptions& classes, const Store& store, const Environment& environment
) {
  std::string ns = namespace_of(config, environment);
  std::string pod_name = environment("POD_NAME").value_or("");
  auto election_client = ApiClient::create(io, config, election_options(options.election_ttl));
  if (!election_client) return election_client.error();
  auto client = ApiClient::create(io, std::move(config), client_options(options.election_ttl));
  if (!client) return client.error();
  return std::unique_ptr<Duties>(new Duties(std::make_unique<Impl>(
      *std::move(election_client), *std::move(client), std::move(options), classes, store,
      std::move(ns), std::move(pod_name)
  )));
}

void Duties::start() { impl_->start(); }

void Duties::listed(Kind kind, const std::string& ns, const std::vector<Object>& objects) {
  impl_->listed(kind, ns, objects);
}
void Duties::seen(const Object& object) { impl_->seen(object); }
void Duties::changed(Kind kind, const ObjectKey& key) { impl_->changed(kind, key); }
void Duties::removed(Kind kind, const ObjectKey& key) { impl_->removed(kind, key); }
void Duties::diagnosed(const std::vector<Diagnostic>& diagnostics) {
  impl_->diagnosed(diagnostics);
}

void Duties::leave(Departure departure, std::function<void()> done) {
  impl_->leave(departure, std::move(done));
}
void Duties::stop() { impl_->stop(); }
bool Duties::stopped() const noexcept { return impl_->stopped(); }
DutyState Duties::state() const { return impl_->state(); }

}  // namespace cppx::controller
