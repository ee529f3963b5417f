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
/// After so many streamed lists that began and never became complete, pages it is.
constexpr unsigned kFailuresBeforePages = 2;
/// One may be of a right that the server reads a moment later than the others.
constexpr unsigned kRefusalsThatCount = 2;

Error error_of(const ApiResponse& response) {
  const auto result = to_json(response);
  return result ? error_of_status(response.status, {}) : result.error();
}

}  // namespace

ListWatch::ListWatch(
    ApiClient& client, std::string collection, std::string selection, std::string display,
    ListWatchHandler& handler, ListWatchOptions options
)
    : client_(client),
      collection_(std::move(collection)),
      selection_(std::move(selection)),
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
    asked_before_ = asked_again_;
    if (!resource_version_.empty())
      co_await watch_once();
    else if (options_.streaming_lists && client_.may_stream_lists())
      co_await stream_once();
    else
      co_await list_once();
  }
}

Task<void> ListWatch::list_once() {
  auto pass = co_await client_.list_gate().enter();
  const auto listed = co_await list();
  pass.leave();
  if (listed) {
    succeeded();
    co_return;
  }
  failed("list", listed.error());
  co_await pause(delay());
}

// The watch that brings the list goes on as a watch: one connection, and nothing in between.
Task<void> ListWatch::stream_once() {
  auto pass = co_await client_.list_gate().enter();
  streaming_.emplace(std::move(pass));
  const auto started = Clock::now();
  const auto timeout = pick_timeout();
  handler_.list_started();
  const auto streamed = co_await watch(stream_target(timeout), timeout);
  if (!streaming_) {
    co_await after_watch(streamed, started);
    co_return;
  }
  streaming_.reset();
  if (!streamed && streamed.error().code == Errc::kUnsupported) co_return;
  stream_failed(streamed);
  co_await pause(delay());
}

void ListWatch::stream_failed(const Result<void>& streamed) {
  const Error error = streamed ? Error{Errc::kProtocol, ErrorSource::kUpstream, true,
                                       "the streamed list ended before it was complete"}
                               : streamed.error();
  failed("list", error);
  // A connection that breaks, or never came about, says nothing about what the server can do.
  const bool broken = error.code == Errc::kClosed || error.code == Errc::kIo ||
                      error.code == Errc::kTls || error.code == Errc::kCancelled;
  if (status_ == 200 && !broken && ++failed_streams_ >= kFailuresBeforePages)
    client_.has_no_streaming_lists();
}

Task<void> ListWatch::watch_once() {
  const auto started = Clock::now();
  const auto timeout = pick_timeout();
  const auto watched = co_await watch(watch_target(timeout), timeout);
  co_await after_watch(watched, started);
}

Task<void> ListWatch::after_watch(Result<void> watched, Clock::time_point started) {
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

Task<Result<ListPage>> ListWatch::list_page(std::string continuation, bool paged) {
  ApiRequest request;
  request.target = list_target(continuation, paged);
  const auto response = co_await client_.send(std::move(request));
  if (!response) co_return response.error();
  status_ = response->status;
  retry_after_ = response->retry_after;
  if (!response->ok()) co_return error_of(*response);
  co_return read_list(response->body, [this](const json& item) { handler_.listed(item); });
}

Task<Result<void>> ListWatch::list() {
  std::string continuation;
  bool paged = true;
  handler_.list_started();
  for (;;) {
    auto page = co_await list_page(continuation, paged);
    if (!page && page.error().code == Errc::kGone && paged) {
      // The pages took too long: the rest is of a version that is gone. All of it in one answer,
      // then.
      paged = false;
      continuation.clear();
      handler_.list_started();
      continue;
    }
    if (!page) co_return page.error();
    continuation = std::move(page->continuation);
    if (!continuation.empty()) continue;
    if (page->resource_version.empty())
      co_return Error{
          Errc::kParse, ErrorSource::kUpstream, true, "the list has no resourceVersion"
      };
    resource_version_ = std::move(page->resource_version);
    break;
  }
  refused_watches_ = 0;
  handler_.list_complete();
  co_return Result<void>{};
}

std::chrono::seconds ListWatch::pick_timeout() {
  std::uniform_int_distribution<std::chrono::seconds::rep> jitter(
      0, options_.watch_timeout.count()
  );
  return options_.watch_timeout + std::chrono::seconds(jitter(random_));
}

Task<Result<void>> ListWatch::watch(std::string target, std::chrono::seconds timeout) {
  watch_fruitful_ = false;
  const auto end = Clock::now() + timeout + options_.watch_grace;
  auto opening = co_await client_.watch(std::move(target));
  if (!opening) co_return opening.error();
  status_ = opening->response.status;
  retry_after_ = opening->response.retry_after;
  if (!opening->stream)
    co_return streaming_ ? refused_stream(error_of(opening->response))
                         : refused_watch(opening->response);
  if (!streaming_) succeeded();
  auto followed = co_await follow(*opening->stream, end);
  co_return followed;
}

Error ListWatch::refused_watch(const ApiResponse& response) {
  Error error = error_of(response);
  const bool bad_request = error.code == Errc::kProtocol || error.code == Errc::kNotFound;
  // Rights that were withdrawn, or too much to do: the version is as good as before.
  const bool version_is_suspect = error.code != Errc::kUnauthorized && response.status != 429;
  if (bad_request || (version_is_suspect && ++refused_watches_ >= kRefusalsBeforeList))
    resource_version_.clear();
  return error;
}

Error ListWatch::refused_stream(Error error) {
  // An API server that could tells of an etcd that could not by an event.
  const bool unsupported =
      status_ == 400 || status_ == 422 || error.detail.find("storage feature") != std::string::npos;
  if (!unsupported) return error;
  error.code = Errc::kUnsupported;
  if (client_.may_stream_lists())
    log::info("Kubernetes API: the server has no streaming lists, lists come in pages");
  client_.has_no_streaming_lists();
  return error;
}

Task<Result<void>> ListWatch::follow(WatchStream& stream, Clock::time_point end) {
  std::size_t dropped = 0;
  for (;;) {
    const auto deadline = streaming_ ? std::min(end, Clock::now() + options_.list_progress) : end;
    const auto line = co_await stream.next(deadline);
    if (!line) co_return line.error();
    if (stream.dropped() != dropped) {
      dropped = stream.dropped();
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

Result<void> ListWatch::handle_initial(const WatchEvent& event) {
  const bool is_item =
      event.type == WatchEventType::kAdded || event.type == WatchEventType::kModified;
  if (is_item) {
    handler_.listed(event.object);
    return {};
  }
  if (event.type == WatchEventType::kError)
    return refused_stream(error_of_status_object(event.object));
  if (event.type != WatchEventType::kBookmark || !ends_initial_events(event.object))
    return Error{
        Errc::kProtocol, ErrorSource::kUpstream, true, "the streamed list has an unknown event"
    };
  std::string version = metadata_text(event.object, "resourceVersion");
  if (version.empty())
    return Error{Errc::kParse, ErrorSource::kUpstream, true, "the list has no resourceVersion"};
  initial_events_ended(std::move(version));
  return {};
}

void ListWatch::initial_events_ended(std::string version) {
  streaming_.reset();
  failed_streams_ = 0;
  refused_watches_ = 0;
  watch_fruitful_ = true;
  resource_version_ = std::move(version);
  handler_.list_complete();
  succeeded();
}

Result<void> ListWatch::handle_event(const WatchEvent& event) {
  if (streaming_) return handle_initial(event);
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
  if (!selection_.empty()) target += selection_ + "&";
  target.pop_back();
  return target;
}

std::string ListWatch::collection_with(std::string query) const {
  std::string target = collection_ + "?" + std::move(query);
  if (!selection_.empty()) target += "&" + selection_;
  return target;
}

std::string ListWatch::watch_target(std::chrono::seconds timeout) const {
  return collection_with(fmt::format(
      "watch=1&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={}",
      encode_query_value(resource_version_), timeout.count()
  ));
}

std::string ListWatch::stream_target(std::chrono::seconds timeout) const {
  return collection_with(fmt::format(
      "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
      "&timeoutSeconds={}",
      timeout.count()
  ));
}

void ListWatch::failed(std::string_view doing, const Error& error) {
  if (error.code == Errc::kCancelled) return;
  std::string text = fmt::format("{} of {}: {}", doing, display_, error.detail);
  const bool is_refused = !state_.listed && refused();
  if (is_refused && asked_before_) ++refusals_;
  const bool again = is_refused && refusals_ >= kRefusalsThatCount;
  const bool same_error = text == state_.error;
  if (same_error && is_refused == state_.refused && again == state_.refused_again) return;
  if (!same_error) log::warning("Kubernetes API: {} (trying on)", text);
  state_.error = std::move(text);
  state_.refused = is_refused;
  state_.refused_again = again;
  handler_.state_changed(state_);
}

void ListWatch::succeeded() {
  if (state_.listed && state_.error.empty()) return;
  if (!state_.error.empty()) log::info("Kubernetes API: {} are followed again", display_);
  state_ = {.listed = true, .refused = false, .refused_again = false, .error = {}};
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
  if (std::exchange(hurry_, false)) co_return;
  timer_.expires_after(delay);
  // Ends early by ask_again(), or by cancellation, which the next await notices.
  const auto ended = co_await timer_.async_wait(kAsTuple);
  static_cast<void>(ended);
  hurry_ = false;
}

void ListWatch::ask_again() {
  if (std::exchange(asked_again_, true)) return;
  backoff_.reset();
  hurry_ = true;
  timer_.cancel();
}

}  // namespace cppx::controller
