#include "controller/kube/reflector.h"

#include <utility>

#include <boost/beast/http/verb.hpp>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "controller/kube/resource.h"
#include "controller/kube/url.h"
#include "controller/kube/watch_event.h"
#include "controller/model/decode.h"

namespace cppx::controller {
namespace {

using nlohmann::json;

ObjectKey key_of(const json& object) {
  return {metadata_text(object, "namespace"), metadata_text(object, "name")};
}

std::string selection(std::string_view fields, std::string_view labels) {
  std::string parameters;
  if (!fields.empty()) parameters += "fieldSelector=" + encode_query_value(fields);
  if (labels.empty()) return parameters;
  if (!parameters.empty()) parameters += '&';
  return parameters + "labelSelector=" + encode_query_value(labels);
}

}  // namespace

Reflector::Reflector(
    ApiClient& client, Kind kind, std::string ns, std::string_view label_selector, ObjectSink& sink,
    KeepObject keep, StateChanged state_changed, ListWatchOptions options
)
    : client_(client),
      kind_(kind),
      ns_(std::move(ns)),
      sink_(sink),
      keep_(std::move(keep)),
      on_state_(std::move(state_changed)),
      watch_(
          client, collection_path(resource_of(kind), ns_),
          selection(resource_of(kind).field_selector, label_selector),
          ns_.empty() ? std::string(resource_of(kind).display)
                      : std::string(resource_of(kind).display) + " in namespace " + ns_,
          *this, options
      ) {}

Task<void> Reflector::run() { return watch_.run(); }

Task<Result<void>> Reflector::fetch(ObjectKey key) {
  const auto [entry, first] = fetches_.try_emplace(key, false);
  if (!first) co_return Result<void>{};
  const auto response = co_await client_.get(object_path(resource_of(kind_), key));
  const auto under_way = fetches_.find(key);
  const bool overtaken = under_way->second;
  fetches_.erase(under_way);
  if (overtaken) co_return Result<void>{};
  if (!response) {
    if (response.error().code == Errc::kNotFound) co_return Result<void>{};
    co_return response.error();
  }
  if (wanted(*response, key)) deliver(*response, key);
  co_return Result<void>{};
}

void Reflector::forget(const ObjectKey& key) {
  if (held_.erase(key) > 0) sink_.removed(kind_, key);
}

void Reflector::list_started() {
  listing_ = true;
  pending_.clear();
  pending_held_.clear();
}

void Reflector::listed(const json& item) {
  const ObjectKey key = key_of(item);
  if (!wanted(item, key) || pending_held_.contains(key)) return;
  auto objects = decoded(item, key);
  if (objects.empty()) return;
  if (keep_) pending_held_.insert(key);
  for (Object& object : objects) pending_.push_back(std::move(object));
}

void Reflector::list_complete() {
  listing_ = false;
  held_ = std::move(pending_held_);
  pending_held_.clear();
  for (auto& [key, overtaken] : fetches_) overtaken = overtaken || held_.contains(key);
  sink_.replaced(kind_, ns_, std::exchange(pending_, {}));
}

void Reflector::changed(const json& object) {
  const ObjectKey key = key_of(object);
  if (const auto fetch = fetches_.find(key); fetch != fetches_.end()) fetch->second = true;
  if (wanted(object, key))
    deliver(object, key);
  else
    forget(key);
}

void Reflector::deleted(const json& object) {
  const ObjectKey key = key_of(object);
  if (const auto fetch = fetches_.find(key); fetch != fetches_.end()) fetch->second = true;
  if (!keep_)
    sink_.removed(kind_, key);
  else
    forget(key);
}

void Reflector::state_changed(const ListWatchState&) { on_state_(); }

bool Reflector::wanted(const json& object, const ObjectKey& key) const {
  return !keep_ || keep_(object, key);
}

std::vector<Object> Reflector::decoded(const json& object, const ObjectKey& key) const {
  auto result = decode(object, to_string(kind_));
  if (result) return std::move(*result);
  log::warning(
      "{} {} cannot be used: {}", to_string(kind_), key.to_string(), result.error().detail
  );
  return {};
}

void Reflector::deliver(const json& object, const ObjectKey& key) {
  for (Object& decoded_object : decoded(object, key)) {
    if (keep_) held_.insert(key);
    // The list under way may have passed it over when it was not wanted yet.
    if (listing_ && pending_held_.insert(key).second) pending_.push_back(decoded_object);
    sink_.upserted(std::move(decoded_object));
  }
}

}  // namespace cppx::controller
