#include "controller/events/event_recorder.h"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include <boost/beast/http/verb.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/log.h"
#include "controller/events/event.h"
#include "controller/kube/api_client.h"
#include "controller/kube/backoff.h"
#include "controller/kube/task.h"

namespace cppx::controller {
namespace {

namespace http = boost::beast::http;
using nlohmann::json;

constexpr std::size_t kMostRemembered = 4096;

std::string collection_of(const EventNote& note) {
  return "/api/v1/namespaces/" + event_namespace(note) + "/events";
}

std::int64_t count_of(const json& event) {
  const auto count = event.is_object() ? event.find("count") : event.end();
  return count != event.end() && count->is_number_integer() ? count->get<std::int64_t>() : 1;
}

}  // namespace

EventRecorder::EventRecorder(
    ApiClient& client, std::function<bool()> may_send, EventOptions options
)
    : client_(client),
      may_send_(std::move(may_send)),
      options_(std::move(options)),
      all_(options_.of_all, Clock::now()),
      timer_(client.executor()) {}

void EventRecorder::record(EventNote note) {
  if (!may_send_()) return;
  if (queue_.size() >= options_.longest_queue ||
      !limits_.allow(note.kind, note.object, Clock::now())) {
    drop();
    return;
  }
  queue_.push_back(std::move(note));
  if (queue_.size() == 1) timer_.cancel();
}

void EventRecorder::drop() { counters_.dropped.fetch_add(1, std::memory_order_relaxed); }

Task<void> EventRecorder::run() {
  for (;;) {
    const auto now = Clock::now();
    // Woken by record() when there is something again.
    const auto ready = queue_.empty() ? Clock::time_point::max() : all_.next(now);
    if (ready > now) {
      timer_.expires_at(ready);
      const auto waited = co_await timer_.async_wait(kAsTuple);
      static_cast<void>(waited);
      continue;
    }
    all_.take(now);
    EventNote note = std::move(queue_.front());
    queue_.pop_front();
    co_await deliver(std::move(note));
  }
}

Task<void> EventRecorder::deliver(EventNote note) {
  Backoff backoff(options_.least_delay, options_.most_delay, options_.seed);
  Timer timer(client_.executor());
  for (unsigned tries = 1;; ++tries) {
    const auto told = co_await tell(note);
    if (told) {
      counters_.sent.fetch_add(1, std::memory_order_relaxed);
      troubled_ = false;
      co_return;
    }
    const Error& error = told.error();
    const bool lasting = !error.retryable && error.code != Errc::kClosed &&
                         error.code != Errc::kIo && error.code != Errc::kTimeout;
    if (error.code == Errc::kCancelled || lasting || tries >= options_.tries) {
      drop();
      report(error);
      co_return;
    }
    timer.expires_after(backoff.next());
    const auto waited = co_await timer.async_wait(kAsTuple);
    static_cast<void>(waited);
  }
}

void EventRecorder::report(const Error& error) {
  // Nothing can be made any more in a namespace that is being deleted, and nobody would read it.
  const bool natural = error.code == Errc::kCancelled ||
                       error.detail.find("is being terminated") != std::string::npos;
  if (natural || std::exchange(troubled_, true)) return;
  log::warning("Events: {} (dropped)", error.detail);
}

Task<Result<void>> EventRecorder::tell(const EventNote& note) {
  const std::string name = event_name(note);
  const auto known = counts_.find(event_namespace(note) + "/" + name);
  if (known != counts_.end()) {
    const json change{
        {"count", known->second + 1},
        {"lastTimestamp", event_time(std::chrono::system_clock::now())}
    };
    const auto counted = co_await patch(note, name, change);
    if (counted) co_return Result<void>{};
    // Events last an hour, as a rule.
    if (counted.error().code != Errc::kNotFound) co_return counted.error();
    counts_.erase(event_namespace(note) + "/" + name);
  }
  const auto created = co_await create(note, name);
  if (created || created.error().code != Errc::kConflict) co_return created;
  const auto counted = co_await count_again(note, name);
  co_return counted;
}

Task<Result<void>> EventRecorder::create(const EventNote& note, const std::string& name) {
  const json body = event_object(note, options_.origin, std::chrono::system_clock::now());
  const auto made = co_await send(
      {.method = http::verb::post,
       .target = collection_of(note),
       .body = body.dump(-1, ' ', false, json::error_handler_t::replace)}
  );
  if (!made) co_return made.error();
  remember(event_namespace(note) + "/" + name, 1);
  co_return Result<void>{};
}

// Made by the leader before us, or by us with an answer that was lost. Its count is in the answer
// to a PATCH, so that no right to read Events is needed.
Task<Result<void>> EventRecorder::count_again(const EventNote& note, const std::string& name) {
  const std::string time = event_time(std::chrono::system_clock::now());
  const auto count = co_await patch(note, name, {{"lastTimestamp", time}});
  if (!count) co_return count.error();
  const auto counted = co_await patch(note, name, {{"lastTimestamp", time}, {"count", *count + 1}});
  if (!counted) co_return counted.error();
  co_return Result<void>{};
}

Task<Result<std::int64_t>> EventRecorder::patch(
    const EventNote& note, const std::string& name, json change
) {
  const auto answer = co_await send(
      {.method = http::verb::patch,
       .target = collection_of(note) + "/" + name,
       .body = change.dump(),
       .content_type = "application/merge-patch+json"}
  );
  if (!answer) co_return answer.error();
  const std::int64_t count = count_of(*answer);
  remember(event_namespace(note) + "/" + name, count);
  co_return count;
}

Task<Result<json>> EventRecorder::send(ApiRequest request) {
  request.allowed = may_send_;
  const auto response = co_await client_.send(std::move(request));
  if (!response) co_return response.error();
  co_return to_json(*response);
}

void EventRecorder::remember(const std::string& name, std::int64_t count) {
  // What is forgotten is found again by its name.
  if (counts_.size() >= kMostRemembered) counts_.clear();
  counts_[name] = count;
}

}  // namespace cppx::controller
