#include <utility>

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "controller/kube/backoff.h"
#include "controller/kube/kube_source_impl.h"

namespace cppx::controller {
namespace {

using nlohmann::json;

bool is_tls_secret(const json& secret) {
  const auto type = secret.find("type");
  return type != secret.end() && type->is_string() &&
         type->get_ref<const std::string&>() == "kubernetes.io/tls";
}

}  // namespace

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

void KubeSource::Impl::set_wanted(Kind kind, std::set<ObjectKey> keys) {
  const std::set<ObjectKey> previous = std::exchange(wanted_[kind], std::move(keys));
  for (const ObjectKey& key : wanted_[kind]) {
    FollowedKind* followed = followed_of(kind, key);
    if (followed == nullptr || followed->reflector().holds(key)) continue;
    // The first list, when it comes, brings what is wanted.
    if (!followed->state().listed && !followed->reflector().listing()) continue;
    if (previous.contains(key) || !fetching_.emplace(kind, key).second) continue;
    followed->spawn(fetch(followed->reflector(), key));
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
    if (FollowedKind* followed = followed_of(kind, *key)) followed->reflector().forget(*key);
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

}  // namespace cppx::controller
