#include "controller/kube/kube_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include "base/log.h"
#include "controller/kube/kube_source_impl.h"
#include "controller/kube/resource.h"

namespace cppx::controller {
namespace {

constexpr std::array<FollowedKindInfo, 7> kFollowed = {{
    {Kind::kIngress, true},
    {Kind::kIngressClass, false},
    {Kind::kService, true},
    {Kind::kEndpointSlice, true},
    {Kind::kSecret, true},
    {Kind::kConfigMap, false},
    {Kind::kNamespace, false},
}};

}  // namespace

KubeSource::Impl::Impl(
    std::unique_ptr<ApiClient> client, KubeSourceOptions options, ObjectSink& sink
)
    : client_(std::move(client)),
      options_(std::move(options)),
      sink_(sink),
      seed_(options_.list_watch.seed) {
  const bool by_selector = !options_.namespace_selector.empty();
  if (by_selector) follow({Kind::kNamespace, true}, {}, *this);
  for (const FollowedKindInfo& info : kFollowed) {
    if (info.kind == Kind::kNamespace && (by_selector || !options_.watch_namespaces)) continue;
    if (!resource_of(info.kind).namespaced || !one_by_one()) follow(info, {}, sink_);
  }
  if (one_by_one())
    for (const std::string& ns : options_.config_map_namespaces)
      follow({Kind::kConfigMap, false}, ns, sink_);
  if (!by_selector)
    for (const std::string& ns : options_.namespaces) follow_namespace(ns);
  state_ = computed_state();
}

FollowedKind& KubeSource::Impl::follow(
    const FollowedKindInfo& info, const std::string& ns, ObjectSink& sink
) {
  ListWatchOptions list_watch = options_.list_watch;
  list_watch.seed = seed_++;
  FollowedKind::Options options{
      .kind = info.kind,
      .ns = ns,
      .label_selector = info.kind == Kind::kNamespace ? options_.namespace_selector : std::string(),
      .keep = keep_of(info.kind),
      .required = info.required,
      .list_watch = list_watch,
  };
  followed_.push_back(std::make_unique<FollowedKind>(*client_, std::move(options), sink, [this] {
    update_state();
  }));
  return *followed_.back();
}

void KubeSource::Impl::follow_namespace(const std::string& ns) {
  if (!namespaces_.insert(ns).second) return;
  for (const FollowedKindInfo& info : kFollowed) {
    if (!resource_of(info.kind).namespaced) continue;
    if (info.kind == Kind::kConfigMap && options_.config_map_namespaces.contains(ns)) continue;
    FollowedKind& followed = follow(info, ns, sink_);
    if (started_ && info.kind != Kind::kIngress) followed.start();
  }
}

void KubeSource::Impl::drop_namespace(const std::string& ns) {
  if (namespaces_.erase(ns) == 0) return;
  std::vector<Kind> gone;
  for (auto& followed : followed_) {
    const Kind kind = followed->kind();
    const bool stays = kind == Kind::kConfigMap && options_.config_map_namespaces.contains(ns);
    if (followed->ns() != ns || stays) continue;
    followed->stop();
    leaving_.push_back(std::move(followed));
    gone.push_back(kind);
  }
  std::erase(followed_, nullptr);
  for (const Kind kind : gone) {
    std::erase_if(fetching_, [&](const auto& entry) {
      return entry.first == kind && entry.second.ns == ns;
    });
    std::erase_if(kept_on_request_[kind], [&](const ObjectKey& key) { return key.ns == ns; });
    sink_.replaced(kind, ns, {});
  }
}

void KubeSource::Impl::replaced(Kind, const std::string&, std::vector<Object> objects) {
  std::set<std::string> now;
  for (const Object& object : objects) now.insert(meta_of(object).key.name);
  const std::set<std::string> before = namespaces_;
  for (const std::string& ns : before)
    if (!now.contains(ns)) drop_namespace(ns);
  for (const std::string& ns : now) follow_namespace(ns);
  update_state();
}

void KubeSource::Impl::upserted(Object object) {
  const std::string& ns = meta_of(object).key.name;
  if (namespaces_.contains(ns)) return;
  log::info("Following namespace {}", ns);
  follow_namespace(ns);
  update_state();
}

void KubeSource::Impl::removed(Kind, const ObjectKey& key) {
  if (!namespaces_.contains(key.name)) return;
  log::info("No longer following namespace {}", key.name);
  drop_namespace(key.name);
  update_state();
}

void KubeSource::Impl::start_due_ingresses() {
  for (const auto& followed : followed_)
    if (followed->kind() == Kind::kIngress && !followed->started() &&
        is_complete(followed->ns(), false))
      followed->start();
}

FollowedKind* KubeSource::Impl::followed_of(Kind kind, const ObjectKey& key) {
  for (const auto& followed : followed_)
    if (followed->kind() == kind && (followed->ns().empty() || followed->ns() == key.ns))
      return followed.get();
  return nullptr;
}

void KubeSource::Impl::start() {
  log::info(
      "Following the Kubernetes API at {} ({})", client_->config().server.to_string(),
      client_->config().origin
  );
  started_ = true;
  for (const auto& followed : followed_)
    if (followed->kind() != Kind::kIngress || followed->ns().empty()) followed->start();
}

void KubeSource::Impl::stop() {
  stopping_ = true;
  for (const auto& followed : followed_) followed->stop();
}

bool KubeSource::Impl::stopped() const noexcept {
  const auto at_end = [](const auto& followed) { return followed->stopped(); };
  return std::ranges::all_of(followed_, at_end) && std::ranges::all_of(leaving_, at_end);
}

void KubeSource::Impl::update_state() {
  if (stopping_) return;
  std::erase_if(leaving_, [](const auto& followed) { return followed->stopped(); });
  start_due_ingresses();
  ask_again();
  SourceState next = computed_state();
  next.synced = next.synced || state_.synced;
  if (next.synced) next.waiting_for.clear();
  if (next.synced && !state_.synced) log::info("Kubernetes API: all objects are known");
  state_ = std::move(next);
  sink_.source_changed(state_);
}

bool KubeSource::Impl::is_complete(const std::string& ns, bool with_ingresses) const {
  return std::ranges::all_of(followed_, [&](const auto& followed) {
    const bool counts = followed->ns() == ns && followed->required() &&
                        (with_ingresses || followed->kind() != Kind::kIngress);
    return !counts || followed->state().listed;
  });
}

// A server that has just started refuses everything until it has read the rights. They are known
// when all of something that is required was listed: what is refused now is refused for good.
void KubeSource::Impl::ask_again() {
  if (state_.synced || !is_complete({}, true)) return;
  const auto complete = [&](const std::string& ns) { return is_complete(ns, true); };
  if (!namespaces_.empty() && std::ranges::none_of(namespaces_, complete)) return;
  for (const auto& followed : followed_)
    if (followed->state().refused) followed->reflector().ask_again();
}

bool KubeSource::Impl::is_blocked(const std::string& ns) const {
  return std::ranges::any_of(followed_, [&](const auto& followed) {
    return followed->ns() == ns && followed->required() && followed->state().refused_again;
  });
}

std::set<std::string> KubeSource::Impl::left_out() const {
  std::set<std::string> blocked;
  bool any_complete = false;
  for (const std::string& ns : namespaces_) {
    if (is_complete(ns, true))
      any_complete = true;
    else if (is_blocked(ns))
      blocked.insert(ns);
  }
  return any_complete ? blocked : std::set<std::string>{};
}

SourceState KubeSource::Impl::computed_state() const {
  SourceState state;
  const std::set<std::string> out = left_out();
  std::size_t waiting = 0;
  std::size_t troubled = 0;
  const FollowedKind* first = nullptr;
  for (const auto& followed : followed_) {
    const std::string& error = followed->state().error;
    if (!error.empty() && ++troubled == 1) state.trouble = error;
    if (followed->settled() || out.contains(followed->ns())) continue;
    ++waiting;
    // What goes wrong says more than what is under way.
    if (first == nullptr || (first->state().error.empty() && !error.empty()))
      first = followed.get();
  }
  if (first != nullptr) state.waiting_for = first->waiting_for();
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
