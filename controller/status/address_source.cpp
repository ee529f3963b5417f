#include "controller/status/address_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/log.h"
#include "controller/kube/api_client.h"
#include "controller/kube/list_watch.h"
#include "controller/kube/resource.h"
#include "controller/kube/task.h"
#include "controller/kube/task_group.h"
#include "controller/kube/url.h"
#include "controller/model/objects.h"
#include "controller/status/addresses.h"

namespace cppx::controller {
namespace {

using nlohmann::json;

/// After a failure, if that is sooner than the interval.
constexpr std::chrono::milliseconds kSoon{2'000};

Error not_yet(std::string detail) {
  return {Errc::kUnavailable, ErrorSource::kUpstream, true, std::move(detail)};
}

Error no_service(const ObjectKey& key) {
  return config_error(
      Errc::kNotFound,
      fmt::format("the Service {} of --publish-service does not exist", key.to_string())
  );
}

std::string pods_path(const std::string& ns) { return "/api/v1/namespaces/" + ns + "/pods"; }

}  // namespace

AddressSource::AddressSource(ApiClient& client, AddressOptions options, Changed changed)
    : client_(client),
      options_(std::move(options)),
      changed_(std::move(changed)),
      timer_(client.executor()),
      service_(not_yet("the Service of --publish-service is not known yet")) {
  if (!options_.publish_service || !options_.fixed.empty()) return;
  service_key_ = *options_.publish_service;
  ListWatchHandler& self = *this;
  watch_ = std::make_unique<ListWatch>(
      client, collection_path(resource_of(Kind::kService), service_key_.ns),
      "fieldSelector=" + encode_query_value("metadata.name=" + service_key_.name),
      "the Service of --publish-service", self, options_.list_watch
  );
}

void AddressSource::start(TaskGroup& tasks) {
  if (watch_ != nullptr) tasks.spawn(watch_->run());
  tasks.spawn(look_for_ever());
}

void AddressSource::begin() {
  active_ = true;
  again_ = true;
  timer_.cancel();
}

Task<void> AddressSource::look_for_ever() {
  for (;;) {
    std::chrono::milliseconds pause = options_.interval;
    if (active_) {
      again_ = false;
      const auto found = co_await look();
      told(found);
      if (!found) pause = std::min(pause, kSoon);
    }
    if (active_ && again_) continue;
    timer_.expires_after(pause);
    const auto waited = co_await timer_.async_wait(kAsTuple);
    static_cast<void>(waited);
  }
}

void AddressSource::told(const Result<Addresses>& found) {
  if (!active_) return;
  std::string trouble = found ? std::string() : found.error().detail;
  if (trouble != trouble_ && !trouble.empty())
    log::warning("Addresses for the status of Ingresses: {} (trying on)", trouble);
  trouble_ = std::move(trouble);
  if (found) changed_(*found);
}

Task<Result<Addresses>> AddressSource::look() {
  if (!options_.fixed.empty()) {
    Addresses given;
    for (const std::string& text : options_.fixed) given.push_back(to_address(text));
    co_return normalized(std::move(given));
  }
  if (options_.publish_service) co_return service_;
  auto nodes = co_await look_at_nodes();
  co_return nodes;
}

Task<Result<Addresses>> AddressSource::look_at_nodes() {
  const auto pods = co_await siblings();
  if (!pods) co_return pods.error();
  Addresses found;
  for (const std::string& node : nodes_of_ready_pods(*pods)) {
    const auto object = co_await client_.get("/api/v1/nodes/" + node);
    // A node that is gone has no address; one that cannot be asked must not lose its own.
    if (!object && object.error().code == Errc::kNotFound) continue;
    if (!object) co_return object.error();
    found.push_back(to_address(address_of_node(*object, options_.node_internal_ip)));
  }
  co_return normalized(std::move(found));
}

Task<Result<json>> AddressSource::siblings() {
  if (!options_.pod)
    co_return config_error(
        Errc::kNotFound,
        "give --publish-service or --publish-status-address, or set the environment variables "
        "POD_NAME and POD_NAMESPACE"
    );
  const ObjectKey& own = *options_.pod;
  if (selector_.empty()) {
    const auto pod = co_await client_.get(pods_path(own.ns) + "/" + own.name);
    if (!pod) co_return pod.error();
    selector_ = selector_of_siblings(*pod);
    if (selector_.empty())
      co_return config_error(
          Errc::kUnsupported,
          fmt::format("pod {} has no labels by which its replicas are found", own.to_string())
      );
  }
  auto pods =
      co_await client_.get(pods_path(own.ns) + "?labelSelector=" + encode_query_value(selector_));
  co_return pods;
}

Task<Result<bool>> AddressSource::others_run() {
  if (!options_.pod) co_return false;
  const auto pods = co_await siblings();
  if (!pods) co_return pods.error();
  co_return has_other_pods(*pods, options_.pod->name);
}

void AddressSource::list_complete() {
  const json service = std::exchange(pending_, {});
  service_ = service.is_object() ? addresses_of_service(service) : no_service(service_key_);
  if (active_) told(service_);
}

void AddressSource::changed(const json& object) {
  service_ = addresses_of_service(object);
  if (active_) told(service_);
}

void AddressSource::deleted(const json&) {
  service_ = no_service(service_key_);
  if (active_) told(service_);
}

void AddressSource::state_changed(const ListWatchState& state) {
  if (!state.listed && !state.error.empty()) service_ = not_yet(state.error);
}

}  // namespace cppx::controller
