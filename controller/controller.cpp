#include "controller/controller.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "base/error.h"
#include "base/log.h"
#include "controller/admission/review.h"
#include "controller/cache/cached_start.h"
#include "controller/cache/snapshot_cache.h"
#include "controller/cache/store.h"
#include "controller/dns/name_resolver.h"
#include "controller/duties/duties.h"
#include "controller/duties/duty_options.h"
#include "controller/file/manifest_set.h"
#include "controller/file/manifest_source.h"
#include "controller/kube/kube_config.h"
#include "controller/kube/kube_source.h"
#include "controller/kube/object_sink.h"
#include "controller/model/objects.h"
#include "controller/translate/publish_loop.h"
#include "controller/translate/resolved_names.h"
#include "controller/translate/translate.h"
#include "routing/snapshot.h"
#include "tls/self_signed.h"

namespace cppx::controller {

namespace asio = boost::asio;

struct Controller::Impl final : ObjectSink {
  Impl(ControllerOptions given, routing::SnapshotSink& to) : options(std::move(given)), sink(to) {}

  Result<void> start();
  Result<void> start_source();
  Result<void> start_kubernetes();
  void leave(Departure departure);
  Result<void> open_cache();
  /// Where what the source tells goes to.
  Store& told() {
    return cached_start != nullptr && !cached_start->over() ? cached_start->aside() : store;
  }
  [[nodiscard]] bool serves_cache() const {
    return cached_start != nullptr && cached_start->serving();
  }
  void stop(Departure departure);
  void stop_all();

  void replaced(Kind kind, const std::string& ns, std::vector<Object> objects) override;
  void upserted(Object object) override;
  void removed(Kind kind, const ObjectKey& key) override;
  void source_changed(const SourceState& state) override;

  void manifests_changed();
  void changed();
  void cache_serves();
  void translated(const Translation& translation);

  ControllerOptions options;
  routing::SnapshotSink& sink;
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  Store store;
  std::unique_ptr<SnapshotCache> cache;
  std::unique_ptr<CachedStart> cached_start;
  std::unique_ptr<PublishLoop> loop;
  std::optional<Reviewer> reviewer;
  std::unique_ptr<ManifestSource> manifests;
  std::unique_ptr<KubeSource> kubernetes;
  std::unique_ptr<Duties> duties;  // null with manifests
  std::unique_ptr<dns::NameResolver> resolver;
  // Of the last translation.
  std::shared_ptr<const std::set<std::string>> names;
  std::shared_ptr<const std::set<ObjectKey>> secrets;
  std::shared_ptr<const std::vector<Diagnostic>> diagnostics;
  bool source_synced = false;
  std::vector<std::string> problems;
  std::thread thread;

  mutable std::mutex status_mutex;  // of what other threads ask for
  ControllerStatus status;
};

Result<void> Controller::Impl::start() {
  auto self_made = tls::make_default_certificate();
  if (!self_made) return self_made.error();
  options.translate.classes.apply_default_class |= !options.manifests.empty();
  reviewer.emplace(options.translate, *self_made);
  loop = std::make_unique<PublishLoop>(
      io, options.translate, store, *self_made, sink,
      [this](const Translation& translation) { translated(translation); }
  );
  resolver =
      std::make_unique<dns::NameResolver>(io, dns::NameResolverOptions{}, [this] { changed(); });
  loop->set_names(resolver->names());
  if (auto started = start_source(); !started) return started;
  thread = std::thread([this] { io.run(); });
  return {};
}

Result<void> Controller::Impl::start_source() {
  if (options.manifests.empty()) return start_kubernetes();
  manifests = std::make_unique<ManifestSource>(io, options.manifests, store, [this] {
    manifests_changed();
  });
  if (auto started = manifests->start(); !started) return started;
  source_synced = true;
  changed();
  return {};
}

Result<void> Controller::Impl::start_kubernetes() {
  KubeConfigOptions access;
  access.kubeconfig = options.kubeconfig;
  access.apiserver_host = options.apiserver_host;
  access.certificate_authority = options.certificate_authority;
  auto config = load_kube_config(access);
  if (!config) return config.error();
  KubeSourceOptions source_options;
  source_options.namespaces = options.watch_namespaces;
  source_options.namespace_selector = options.watch_namespace_selector;
  if (options.translate.config_map)
    source_options.config_map_namespaces.insert(options.translate.config_map->ns);
  if (!options.only_looks) {
    auto made = Duties::create(
        io, *config, options.duties, options.translate.classes, store, access.environment
    );
    if (!made) return made.error();
    duties = *std::move(made);
    if (auto opened = open_cache(); !opened) return opened;
  }
  auto source = KubeSource::create(io, *std::move(config), std::move(source_options), *this);
  if (!source) return source.error();
  kubernetes = *std::move(source);
  status.waiting_for = kubernetes->state().waiting_for;
  // The only ConfigMap that is ever read is known from the start.
  std::set<ObjectKey> config_maps;
  if (options.translate.config_map) config_maps.insert(*options.translate.config_map);
  kubernetes->set_wanted(Kind::kConfigMap, std::move(config_maps));
  kubernetes->start();
  return {};
}

void Controller::Impl::leave(Departure departure) {
  if (duties == nullptr || !thread.joinable()) return;
  asio::post(io, [this, departure] { duties->leave(departure, [] {}); });
}

Result<void> Controller::Impl::open_cache() {
  if (!options.snapshot_cache) return {};
  SnapshotCacheOptions cache_options;
  cache_options.folder = *options.snapshot_cache;
  cache_options.key_file = options.snapshot_cache_key_file;
  auto opened = SnapshotCache::open(io, std::move(cache_options), store);
  if (!opened) return opened.error();
  cache = *std::move(opened);
  if (auto objects = cache->load(); !objects.empty())
    cached_start =
        std::make_unique<CachedStart>(io, std::move(objects), store, [this] { cache_serves(); });
  return {};
}

void Controller::Impl::stop(Departure departure) {
  if (!thread.joinable()) return;
  asio::post(io, [this, departure] {
    if (duties == nullptr)
      stop_all();
    else
      duties->leave(departure, [this] { stop_all(); });
  });
  thread.join();
}

void Controller::Impl::stop_all() {
  loop->stop();
  if (manifests != nullptr) manifests->stop();
  if (kubernetes != nullptr) kubernetes->stop();
  if (duties != nullptr) duties->stop();
  if (cached_start != nullptr) cached_start->stop();
  if (cache != nullptr) cache->stop();
  resolver.reset();
  work.reset();
}

void Controller::Impl::replaced(Kind kind, const std::string& ns, std::vector<Object> objects) {
  if (duties != nullptr) duties->listed(kind, ns, objects);
  if (told().replace(kind, ns, std::move(objects))) changed();
}

void Controller::Impl::upserted(Object object) {
  const Kind kind = kind_of(object);
  const ObjectKey key = meta_of(object).key;
  if (duties != nullptr) duties->seen(object);
  if (!told().apply(std::move(object))) return;
  if (duties != nullptr) duties->changed(kind, key);
  changed();
}

void Controller::Impl::removed(Kind kind, const ObjectKey& key) {
  if (duties != nullptr) duties->removed(kind, key);
  if (told().remove(kind, key)) changed();
}

void Controller::Impl::source_changed(const SourceState& state) {
  const bool first = state.synced && !source_synced;
  source_synced = state.synced;
  {
    const std::scoped_lock lock(status_mutex);
    status.waiting_for = state.waiting_for;
    status.trouble = state.trouble;
  }
  if (!first) return;
  if (cached_start != nullptr) cached_start->complete();
  // Not before: what the snapshot cache holds may not be told to anybody.
  if (duties != nullptr) duties->start();
  changed();
}

void Controller::Impl::manifests_changed() {
  const auto& now = manifests->problems();
  for (const std::string& problem : now)
    if (std::ranges::find(problems, problem) == problems.end()) log::error("{}", problem);
  for (const std::string& problem : problems)
    if (std::ranges::find(now, problem) == now.end()) log::info("no longer the case: {}", problem);
  problems = now;
  {
    const std::scoped_lock lock(status_mutex);
    status.problems = problems;
  }
  changed();
}

// Said before it is served: whoever asks is not to hear of the API server's state in between.
void Controller::Impl::cache_serves() {
  {
    const std::scoped_lock lock(status_mutex);
    status.from_cache = true;
  }
  changed();
}

// Nothing is published before everything has been heard of once: a part of the truth would take
// routes away. What the cache holds was the whole truth once.
void Controller::Impl::changed() {
  if (source_synced && cache != nullptr) cache->changed();
  if (source_synced || serves_cache()) loop->request();
}

void Controller::Impl::translated(const Translation& translation) {
  if (std::exchange(names, translation.external_names) != translation.external_names)
    resolver->set_names(*names);
  if (std::exchange(secrets, translation.secrets_in_use) != translation.secrets_in_use &&
      kubernetes != nullptr)
    kubernetes->set_wanted(Kind::kSecret, *secrets);
  if (std::exchange(diagnostics, loop->diagnostics()) != loop->diagnostics() && duties != nullptr)
    duties->diagnosed(*diagnostics);
  const std::scoped_lock lock(status_mutex);
  status.synced = loop->generation() != 0 && source_synced;
  status.from_cache = serves_cache();
  status.generation = loop->generation();
  status.diagnostics = loop->diagnostics();
}

Controller::Controller(ControllerOptions options, routing::SnapshotSink& sink)
    : impl_(std::make_unique<Impl>(std::move(options), sink)) {}

Controller::~Controller() { stop(); }

Result<void> Controller::start() { return impl_->start(); }

void Controller::leave(Departure departure) { impl_->leave(departure); }

void Controller::stop(Departure departure) { impl_->stop(departure); }

void Controller::review(Ingress ingress, ReviewDone done) {
  asio::post(
      impl_->io,
      [impl = impl_.get(), ingress = std::move(ingress), done = std::move(done)]() mutable {
        if (impl->source_synced && done.is_awaited())
          done(impl->reviewer->review(impl->store, std::move(ingress)));
        else
          done(std::nullopt);
      }
  );
}

const Store& Controller::store() const { return impl_->store; }

ControllerStatus Controller::status() const {
  ControllerStatus status;
  {
    const std::scoped_lock lock(impl_->status_mutex);
    status = impl_->status;
  }
  if (impl_->duties != nullptr) status.duties = impl_->duties->state();
  return status;
}

Result<ManifestCheck> check_manifests(
    const std::vector<std::filesystem::path>& paths, TranslateOptions options
) {
  ManifestSet manifests(paths);
  if (auto opened = manifests.open(); !opened) return opened.error();
  if (auto loaded = manifests.load(); !loaded) return loaded.error();
  auto self_made = tls::make_default_certificate();
  if (!self_made) return self_made.error();
  Store store;
  for (const auto& [id, object] : manifests.objects()) store.apply(*object);
  options.classes.apply_default_class = true;
  const ResolvedNames no_names;
  ManifestCheck check;
  check.translation = Translator(std::move(options))
                          .translate({
                              .store = store,
                              .names = no_names,
                              .now = std::chrono::system_clock::now(),
                              .self_made_certificate = *self_made,
                          });
  check.store = std::move(store);
  check.problems = manifests.problems();
  return check;
}

}  // namespace cppx::controller
