#include "controller/kube/list_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "controller/kube/api_error.h"
#include "controller/kube/url.h"

namespace cppx::controller {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

/// After so many refusals the resourceVersion itself is the suspect: a restored etcd is behind it.
constexpr unsigned kRefusalsBeforeList = 4;
constexpr std::chrono::seconds kLongestRetryAfter{60};

Error error_of(const ApiResponse& response) {
  const auto result = to_json(response);
  return result ? error_of_status(response.status, {}) : result.error();
}

}  // namespace

ListWatch::ListWatch(
    ApiClient& client, std::string collection, std::string field_selector, std::string display,
    ListWatchHandler& handler, ListWatchOptions options
)
    : client_(client),
      collection_(std::move(collection)),
      field_selector_(std::move(field_selector)),
      display_(std::move(display)),
      handler_(handler),
      options_(options),
      backoff_(options.least_delay, options.most_delay, options.seed),
      random_(options.seed),
      timer_(client.executor()) {}

Task<void> ListWatch::run() {
  for (;;) {
    status_ = 0;
    retry_after_.reset();
    if (resource_version_.empty())
      co_await list_once();
    else
      co_await watch_once();
  }
}

Task<void> ListWatch::list_once() {
  const auto listed = co_await list();
  if (listed) {
    succeeded();
    co_return;
  }
  failed("list", listed.error());
  co_await pause(delay());
}

Task<void> ListWatch::watch_once() {
  const auto started = Clock::now();
  watch_fruitful_ = false;
  const auto watched = co_await watch();
  const bool lasted = watch_fruitful_ || Clock::now() - started >= options_.quiet_watch;
  if (lasted) backoff_.reset();
  if (watched) {
    if (!lasted) co_await pause(delay());
    co_return;
  }
  if (watched.error().code == Errc::kGone) {
    log::info("The watch of {} is too far behind, listing again", display_);
    resource_version_.clear();
    if (!lasted) co_await pause(delay());
    co_return;
  }
  failed("watch", watched.error());
  co_await pause(delay());
}

Task<Result<json>> ListWatch::list_page(std::string continuation, bool paged) {
  ApiRequest request;
  request.target = list_target(continuation, paged);
  const auto response = co_await client_.send(std::move(request));
  if (!response) co_return response.error();
  status_ = response->status;
  retry_after_ = response->retry_after;
  co_return to_json(*response);
}

Task<Result<void>> ListWatch::list() {
  std::string continuation;
  bool paged = true;
  handler_.list_started();
  for (;;) {
    const auto page = co_await list_page(continuation, paged);
    if (!page && page.error().code == Errc::kGone && paged) {
      // The pages took too long: the rest is of a version that is gone. All of it in one answer,
      // then.
      paged = false;
      continuation.clear();
      handler_.list_started();
      continue;
    }
    if (!page) co_return page.error();
    const auto items = page->is_object() ? page->find("items") : page->end();
    if (!page->is_object() || (items != page->end() && !items->is_array() && !items->is_null()))
      co_return Error{Errc::kParse, ErrorSource::kUpstream, true, "the answer is not a list"};
    if (items != page->end())
      for (const json& item : *items) handler_.listed(item);
    continuation = metadata_text(*page, "continue");
    if (!continuation.empty()) continue;
    resource_version_ = metadata_text(*page, "resourceVersion");
    if (resource_version_.empty())
      co_return Error{
          Errc::kParse, ErrorSource::kUpstream, true, "the list has no resourceVersion"
      };
    break;
  }
  refused_watches_ = 0;
  handler_.list_complete();
  co_return Result<void>{};
}

Task<Result<void>> ListWatch::watch() {
  std::uniform_int_distribution<std::chrono::seconds::rep> jitter(
      0, options_.watch_timeout.count()
  );
  const auto timeout = options_.watch_timeout + std::chrono::seconds(jitter(random_));
  const auto deadline = Clock::now() + timeout + options_.watch_grace;
  auto opening = co_await client_.watch(watch_target(timeout));
  if (!opening) co_return opening.error();
  if (!opening->stream) {
    status_ = opening->response.status;
    retry_after_ = opening->response.retry_after;
    const Error error = error_of(opening->response);
    const bool bad_request = error.code == Errc::kProtocol || error.code == Errc::kNotFound;
    if (bad_request || ++refused_watches_ >= kRefusalsBeforeList) resource_version_.clear();
    co_return error;
  }
  succeeded();
  std::size_t dropped = 0;
  for (;;) {
    const auto line = co_await opening->stream->next(deadline);
    if (!line) co_return line.error();
    if (opening->stream->dropped() != dropped) {
      dropped = opening->stream->dropped();
      log::error("The watch of {} had an event that is too large: left out", display_);
    }
    if (!*line) co_return Result<void>{};
    auto handled = handle_line(**line);
    if (!handled) co_return handled.error();
  }
}

Result<void> ListWatch::handle_line(std::string_view line) {
  const auto event = parse_watch_event(line);
  if (event) return handle_event(*event);
  log::warning(
      "The watch of {} had a line that is left out, {}: {}", display_, event.error().detail,
      one_line(line)
  );
  return {};
}

Result<void> ListWatch::handle_event(const WatchEvent& event) {
  if (event.type == WatchEventType::kError) {
    Error error = error_of_status_object(event.object);
    if (++refused_watches_ >= kRefusalsBeforeList) resource_version_.clear();
    return error;
  }
  refused_watches_ = 0;
  watch_fruitful_ = true;
  if (event.type == WatchEventType::kDeleted)
    handler_.deleted(event.object);
  else if (event.type != WatchEventType::kBookmark)
    handler_.changed(event.object);
  std::string version = metadata_text(event.object, "resourceVersion");
  if (!version.empty()) resource_version_ = std::move(version);
  return {};
}

std::string ListWatch::list_target(const std::string& continuation, bool paged) const {
  std::string target = collection_ + "?";
  if (paged) target += fmt::format("limit={}&", options_.page_limit);
  if (!continuation.empty())
    target += fmt::format("continue={}&", encode_query_value(continuation));
  if (!field_selector_.empty())
    target += fmt::format("fieldSelector={}&", encode_query_value(field_selector_));
  target.pop_back();
  return target;
}

std::string ListWatch::watch_target(std::chrono::seconds timeout) const {
  std::string target = fmt::format(
      "{}?watch=1&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={}", collection_,
      encode_query_value(resource_version_), timeout.count()
  );
  if (!field_selector_.empty())
    target += fmt::format("&fieldSelector={}", encode_query_value(field_selector_));
  return target;
}

void ListWatch::failed(std::string_view doing, const Error& error) {
  if (error.code == Errc::kCancelled) return;
  std::string text = fmt::format("{} of {}: {}", doing, display_, error.detail);
  const bool is_refused = !state_.listed && refused();
  if (text == state_.error && is_refused == state_.refused) return;
  log::warning("Kubernetes API: {} (trying on)", text);
  state_.error = std::move(text);
  state_.refused = is_refused;
  handler_.state_changed(state_);
}

void ListWatch::succeeded() {
  if (state_.listed && state_.error.empty()) return;
  if (!state_.error.empty()) log::info("Kubernetes API: {} are followed again", display_);
  state_ = {true, false, {}};
  handler_.state_changed(state_);
}

bool ListWatch::refused() const noexcept { return status_ == 403 || status_ == 404; }

milliseconds ListWatch::delay() {
  milliseconds delay = backoff_.next();
  if (refused()) delay = std::max(delay, options_.refused_delay);
  if (retry_after_)
    delay = std::max<milliseconds>(delay, std::min(*retry_after_, kLongestRetryAfter));
  return delay;
}

Task<void> ListWatch::pause(milliseconds delay) {
  timer_.expires_after(delay);
  // Ends early only by cancellation, which the next await notices.
  const auto ended = co_await timer_.async_wait(kAsTuple);
  static_cast<void>(ended);
}

}  // namespace cppx::controller
