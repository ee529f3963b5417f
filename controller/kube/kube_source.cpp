#include "controller/kube/kube_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include <boost/asio/steady_timer.hpp>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "controller/kube/backoff.h"
#include "controller/kube/reflector.h"
#include "controller/kube/resource.h"
#include "controller/kube/task_group.h"

namespace cppx::controller {
namespace {

using nlohmann::json;

struct FollowedKind {
  Kind kind;
  bool required;  ///< Without it, traffic would be served wrongly: never synced.
};

constexpr std::array<FollowedKind, 7> kFollowed = {{
    {Kind::kIngress, true},
    {Kind::kIngressClass, false},
    {Kind::kService, true},
    {Kind::kEndpointSlice, true},
    {Kind::kSecret, true},
    {Kind::kConfigMap, false},
    {Kind::kNamespace, false},
}};

bool is_required(Kind kind) noexcept {
  return std::any_of(kFollowed.begin(), kFollowed.end(), [kind](const FollowedKind& followed) {
    return followed.kind == kind && followed.required;
  });
}

bool is_tls_secret(const json& secret) {
  const auto type = secret.find("type");
  return type != secret.end() && type->is_string() &&
         type->get_ref<const std::string&>() == "kubernetes.io/tls";
}

}  // namespace

/// Stands between the reflectors and the sink, so that nothing passes any more once it is stopped:
/// a coroutine may have an answer in hand then.
class KubeSource::Impl final : public ObjectSink {
 public:
  Impl(std::unique_ptr<ApiClient> client, KubeSourceOptions options, ObjectSink& sink);

  void start();
  void stop() { tasks_.cancel(); }
  [[nodiscard]] bool stopped() const noexcept { return tasks_.empty(); }
  void set_wanted(Kind kind, std::set<ObjectKey> keys);
  [[nodiscard]] const SourceState& state() const noexcept { return state_; }

 private:
  using Timer = boost::asio::basic_waitable_timer<
      std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>, Executor>;

  void replaced(Kind kind, const std::string& ns, std::vector<Object> objects) override {
    if (!tasks_.cancelled()) sink_.replaced(kind, ns, std::move(objects));
  }
  void upserted(Object object) override {
    if (!tasks_.cancelled()) sink_.upserted(std::move(object));
  }
  void removed(Kind kind, const ObjectKey& key) override {
    if (!tasks_.cancelled()) sink_.removed(kind, key);
  }
  void source_changed(const SourceState& state) override {
    if (!tasks_.cancelled()) sink_.source_changed(state);
  }

  void add_reflector(Kind kind, const std::string& ns);
  KeepObject keep_of(Kind kind);
  bool keep_on_request(Kind kind, const ObjectKey& key);
  void forget_unwanted(Kind kind);
  [[nodiscard]] bool wants(Kind kind, const ObjectKey& key) const;
  Reflector* reflector_of(Kind kind, const ObjectKey& key);
  /// Tries until the object is there, known to be absent, or no longer wanted.
  Task<void> fetch(Reflector& reflector, ObjectKey key);
  void update_state();
  [[nodiscard]] SourceState computed_state() const;

  std::unique_ptr<ApiClient> client_;
  KubeSourceOptions options_;
  ObjectSink& sink_;
  std::vector<std::unique_ptr<Reflector>> reflectors_;
  std::map<Kind, std::set<ObjectKey>> wanted_;  ///< No entry: never told.
  /// Kept for being wanted, not for their type. May name objects that were deleted since.
  std::map<Kind, std::set<ObjectKey>> kept_on_request_;
  std::set<std::pair<Kind, ObjectKey>> fetching_;
  SourceState state_;
  TaskGroup tasks_;
};

KubeSource::Impl::Impl(
    std::unique_ptr<ApiClient> client, KubeSourceOptions options, ObjectSink& sink
)
    : client_(std::move(client)),
      options_(std::move(options)),
      sink_(sink),
      tasks_(client_->executor()) {
  for (const FollowedKind& followed : kFollowed) {
    if (followed.kind == Kind::kNamespace && !options_.watch_namespaces) continue;
    if (!resource_of(followed.kind).namespaced || options_.namespaces.empty()) {
      add_reflector(followed.kind, {});
      continue;
    }
    std::set<std::string> namespaces(options_.namespaces.begin(), options_.namespaces.end());
    if (followed.kind == Kind::kConfigMap) namespaces.merge(options_.config_map_namespaces);
    for (const std::string& ns : namespaces) add_reflector(followed.kind, ns);
  }
  state_ = computed_state();
}

void KubeSource::Impl::add_reflector(Kind kind, const std::string& ns) {
  ListWatchOptions options = options_.list_watch;
  options.seed += static_cast<std::uint32_t>(reflectors_.size());
  reflectors_.push_back(std::make_unique<Reflector>(
      *client_, kind, ns, *this, keep_of(kind), [this] { update_state(); }, options
  ));
}

KeepObject KubeSource::Impl::keep_of(Kind kind) {
  if (kind == Kind::kSecret)
    return [this](const json& object, const ObjectKey& key) {
      return is_tls_secret(object) || keep_on_request(Kind::kSecret, key);
    };
  if (kind == Kind::kConfigMap)
    return [this](const json&, const ObjectKey& key) {
      return keep_on_request(Kind::kConfigMap, key);
    };
  return {};
}

bool KubeSource::Impl::keep_on_request(Kind kind, const ObjectKey& key) {
  const bool all = kind == Kind::kConfigMap && !wanted_.contains(kind);
  if (!all && !wants(kind, key)) return false;
  kept_on_request_[kind].insert(key);
  return true;
}

bool KubeSource::Impl::wants(Kind kind, const ObjectKey& key) const {
  const auto keys = wanted_.find(kind);
  return keys != wanted_.end() && keys->second.contains(key);
}

Reflector* KubeSource::Impl::reflector_of(Kind kind, const ObjectKey& key) {
  for (const auto& reflector : reflectors_)
    if (reflector->kind() == kind && (reflector->ns().empty() || reflector->ns() == key.ns))
      return reflector.get();
  return nullptr;
}

void KubeSource::Impl::start() {
  log::info(
      "Following the Kubernetes API at {} ({})", client_->config().server.to_string(),
      client_->config().origin
  );
  for (const auto& reflector : reflectors_) tasks_.spawn(reflector->run());
}

void KubeSource::Impl::set_wanted(Kind kind, std::set<ObjectKey> keys) {
  const std::set<ObjectKey> previous = std::exchange(wanted_[kind], std::move(keys));
  for (const ObjectKey& key : wanted_[kind]) {
    Reflector* reflector = reflector_of(kind, key);
    if (reflector == nullptr || reflector->holds(key)) continue;
    // The first list, when it comes, brings what is wanted.
    if (!reflector->state().listed && !reflector->listing()) continue;
    if (previous.contains(key) || !fetching_.emplace(kind, key).second) continue;
    tasks_.spawn(fetch(*reflector, key));
  }
  forget_unwanted(kind);
}

void KubeSource::Impl::forget_unwanted(Kind kind) {
  std::set<ObjectKey>& kept = kept_on_request_[kind];
  for (auto key = kept.begin(); key != kept.end();) {
    if (wants(kind, *key)) {
      ++key;
      continue;
    }
    if (Reflector* reflector = reflector_of(kind, *key)) reflector->forget(*key);
    key = kept.erase(key);
  }
}

Task<void> KubeSource::Impl::fetch(Reflector& reflector, ObjectKey key) {
  Backoff backoff(
      options_.list_watch.least_delay, options_.list_watch.most_delay, options_.list_watch.seed
  );
  Timer timer(client_->executor());
  while (wants(reflector.kind(), key) && !reflector.holds(key)) {
    const auto fetched = co_await reflector.fetch(key);
    if (fetched) break;
    if (fetched.error().code != Errc::kCancelled)
      log::warning(
          "Kubernetes API: get of {} {}: {} (trying on)", to_string(reflector.kind()),
          key.to_string(), fetched.error().detail
      );
    timer.expires_after(backoff.next());
    const auto waited = co_await timer.async_wait(kAsTuple);
    static_cast<void>(waited);
  }
  fetching_.erase({reflector.kind(), key});
}

void KubeSource::Impl::update_state() {
  if (tasks_.cancelled()) return;
  SourceState next = computed_state();
  next.synced = next.synced || state_.synced;
  if (next.synced) next.waiting_for.clear();
  if (next.synced && !state_.synced) log::info("Kubernetes API: all objects are known");
  state_ = std::move(next);
  source_changed(state_);
}

SourceState KubeSource::Impl::computed_state() const {
  SourceState state;
  std::size_t waiting = 0;
  std::size_t troubled = 0;
  for (const auto& reflector : reflectors_) {
    const ListWatchState& current = reflector->state();
    if (!current.error.empty() && ++troubled == 1) state.trouble = current.error;
    const bool settled = current.listed || (current.refused && !is_required(reflector->kind()));
    if (settled || ++waiting > 1) continue;
    state.waiting_for = current.error.empty()
                            ? fmt::format("list of {}", resource_of(reflector->kind()).display)
                            : current.error;
  }
  state.synced = waiting == 0;
  if (waiting > 1) state.waiting_for += fmt::format(" (and {} more lists)", waiting - 1);
  if (troubled > 1) state.trouble += fmt::format(" (and {} more)", troubled - 1);
  return state;
}

KubeSource::KubeSource(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

KubeSource::~KubeSource() = default;

Result<std::unique_ptr<KubeSource>> KubeSource::create(
    boost::asio::io_context& io, KubeConfig config, KubeSourceOptions options, ObjectSink& sink
) {
  auto client = ApiClient::create(io, std::move(config), options.client);
  if (!client) return client.error();
  return std::unique_ptr<KubeSource>(
      new KubeSource(std::make_unique<Impl>(std::move(*client), std::move(options), sink))
  );
}

void KubeSource::start() { impl_->start(); }
void KubeSource::stop() { impl_->stop(); }
bool KubeSource::stopped() const noexcept { return impl_->stopped(); }

void KubeSource::set_wanted(Kind kind, std::set<ObjectKey> keys) {
  impl_->set_wanted(kind, std::move(keys));
}

const SourceState& KubeSource::state() const noexcept { return impl_->state(); }

}  // namespace cppx::controller
