#include "controller/status/status_writer.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <boost/asio/post.hpp>
#include <boost/beast/http/verb.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/log.h"
#include "controller/cache/store.h"
#include "controller/kube/api_client.h"
#include "controller/kube/backoff.h"
#include "controller/kube/resource.h"
#include "controller/kube/task.h"
#include "controller/kube/task_group.h"
#include "controller/model/decode.h"
#include "controller/model/objects.h"
#include "controller/status/addresses.h"
#include "controller/translate/class_options.h"
#include "controller/translate/class_selection.h"

namespace cppx::controller {
namespace {

namespace http = boost::beast::http;
using nlohmann::json;

}  // namespace

StatusWriter::StatusWriter(
    ApiClient& client, const Store& store, const ClassOptions& classes, TaskGroup& tasks,
    std::function<bool()> may_write, StatusOptions options
)
    : client_(client),
      store_(store),
      classes_(classes),
      tasks_(tasks),
      may_write_(std::move(may_write)),
      options_(options) {}

void StatusWriter::seen(const Ingress& ingress) {
  present_[ingress.meta.key] = normalized(ingress.load_balancer);
  enqueue(ingress.meta.key);
  start_workers();
}

void StatusWriter::removed(const ObjectKey& key) {
  present_.erase(key);
  writes_.erase(key);
}

void StatusWriter::listed(const std::string& ns, const std::vector<Object>& objects) {
  std::set<ObjectKey> there;
  for (const Object& object : objects) there.insert(meta_of(object).key);
  std::erase_if(present_, [&](const auto& entry) {
    return (ns.empty() || entry.first.ns == ns) && !there.contains(entry.first);
  });
  for (const Object& object : objects)
    if (const auto* ingress = std::get_if<Ingress>(&object)) seen(*ingress);
}

void StatusWriter::set_addresses(Addresses addresses) {
  wanted_ = normalized(std::move(addresses));
  look_at_all();
}

void StatusWriter::look_at_all() {
  writes_.clear();
  for (const auto& [key, addresses] : present_) enqueue(key);
  start_workers();
}

// Whether it is ours is decided later: the store may not have it yet.
void StatusWriter::enqueue(const ObjectKey& key) {
  if (!wanted_ || present_[key] == *wanted_ || !may_write_()) return;
  if (queued_.insert(key).second) queue_.push_back(key);
}

void StatusWriter::start_workers() {
  if (tasks_.cancelled()) return;
  const auto wanted = std::min<std::size_t>(options_.in_flight, queue_.size());
  while (running_ < wanted) {
    ++running_;
    tasks_.spawn(work());
  }
}

// Begins at another turn: what was seen goes into the store in this one.
Task<void> StatusWriter::work() {
  const auto posted = co_await boost::asio::post(client_.executor(), kAsTuple);
  static_cast<void>(posted);
  while (!queue_.empty()) {
    const ObjectKey key = std::move(queue_.front());
    queue_.pop_front();
    queued_.erase(key);
    co_await bring_up_to_date(key);
  }
  --running_;
}

Task<void> StatusWriter::bring_up_to_date(ObjectKey key) {
  Backoff backoff(options_.least_delay, options_.most_delay, options_.seed);
  Timer timer(client_.executor());
  for (unsigned tries = 1; differs(key) && may_write_(); ++tries) {
    const auto written = co_await write(key);
    if (written || written.error().code == Errc::kCancelled) co_return;
    if (written.error().code == Errc::kConflict && tries < options_.tries) continue;
    counters_.failed.fetch_add(1, std::memory_order_relaxed);
    if (tries >= options_.tries) {
      log::warning(
          "Status of Ingress {}: {} (to be tried again)", key.to_string(), written.error().detail
      );
      co_return;
    }
    timer.expires_after(backoff.next());
    const auto waited = co_await timer.async_wait(kAsTuple);
    static_cast<void>(waited);
  }
}

bool StatusWriter::differs(const ObjectKey& key) const {
  const auto present = present_.find(key);
  if (present == present_.end() || !wanted_ || present->second == *wanted_) return false;
  const auto found = store_.ingresses().find(key);
  return found != store_.ingresses().end() &&
         ClassSelection(classes_, store_).judge(*found->second) == ClassVerdict::kOurs;
}

// The object is read first: its class may have changed since, and so may its status.
Task<Result<void>> StatusWriter::write(const ObjectKey& key) {
  const std::string path = object_path(resource_of(Kind::kIngress), key);
  auto object = co_await send({.method = http::verb::get, .target = path, .body = {}});
  // Deleted.
  if (!object && object.error().code == Errc::kNotFound) co_return Result<void>{};
  if (!object) co_return object.error();
  if (!is_ours(*object)) co_return Result<void>{};
  const Addresses wanted = wanted_.value_or(Addresses());
  Addresses present = normalized(present_addresses(*object));
  if (present != wanted) {
    if (!may_write_again(key)) co_return Result<void>{};
    (*object)["status"]["loadBalancer"]["ingress"] = to_json(wanted);
    const auto answer = co_await send(
        {.method = http::verb::put,
         .target = path + "/status",
         .body = object->dump(-1, ' ', false, json::error_handler_t::replace)}
    );
    if (!answer && answer.error().code == Errc::kNotFound) co_return Result<void>{};
    if (!answer) co_return answer.error();
    counters_.written.fetch_add(1, std::memory_order_relaxed);
    log::debug("Status of Ingress {} written", key.to_string());
    present = wanted;
  }
  if (const auto known = present_.find(key); known != present_.end())
    known->second = std::move(present);
  co_return Result<void>{};
}

Task<Result<json>> StatusWriter::send(ApiRequest request) {
  request.allowed = may_write_;
  const auto response = co_await client_.send(std::move(request));
  if (!response) co_return response.error();
  co_return controller::to_json(*response);
}

bool StatusWriter::is_ours(const json& object) const {
  const auto decoded = decode(object, "Ingress");
  if (!decoded || decoded->size() != 1) return false;
  const auto* ingress = std::get_if<Ingress>(&decoded->front());
  return ingress != nullptr &&
         ClassSelection(classes_, store_).judge(*ingress) == ClassVerdict::kOurs;
}

bool StatusWriter::may_write_again(const ObjectKey& key) {
  const unsigned writes = ++writes_[key];
  if (writes <= options_.writes_between_looks) return true;
  if (writes == options_.writes_between_looks + 1)
    log::warning(
        "Status of Ingress {}: somebody else writes it too; left to them for a while",
        key.to_string()
    );
  return false;
}

}  // namespace cppx::controller
