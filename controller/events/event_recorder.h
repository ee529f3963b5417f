#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <random>
#include <string>

#include <boost/asio/basic_waitable_timer.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "controller/events/event.h"
#include "controller/events/event_limits.h"
#include "controller/kube/api_client.h"
#include "controller/kube/task.h"

namespace cppx::controller {

struct EventOptions {
  EventOrigin origin;
  Rate of_all{200, std::chrono::milliseconds(50)};  ///< Of all objects together.
  std::size_t longest_queue = 1000;                 ///< What comes when it is full is dropped.
  std::chrono::milliseconds least_delay{500};       ///< After a failure, doubling
  std::chrono::milliseconds most_delay{10'000};     ///< up to this.
  unsigned tries = 4;                               ///< Then the Event is dropped.
  std::uint32_t seed = std::random_device{}();
};

/// Sends Events (core/v1), one after the other and no more than the limits allow. The same thing
/// told again makes no new Event but counts the one there is (count, lastTimestamp). record() never
/// waits and never fails: what is too much, or cannot be sent, is dropped and counted. Sends only
/// while `may_send` allows it. On the control thread.
class EventRecorder {
 public:
  /// Since the start; from any thread.
  struct Counters {
    std::atomic<std::uint64_t> sent{0};
    std::atomic<std::uint64_t> dropped{0};
  };

  EventRecorder(ApiClient& client, std::function<bool()> may_send, EventOptions options);
  EventRecorder(const EventRecorder&) = delete;
  EventRecorder& operator=(const EventRecorder&) = delete;

  /// Nothing, when `may_send` says no now.
  void record(EventNote note);
  /// Ends only when cancelled.
  Task<void> run();

  [[nodiscard]] const Counters& counters() const noexcept { return counters_; }
  [[nodiscard]] std::size_t queued() const noexcept { return queue_.size(); }

 private:
  using Clock = std::chrono::steady_clock;
  using Timer = boost::asio::basic_waitable_timer<Clock, boost::asio::wait_traits<Clock>, Executor>;

  Task<void> deliver(EventNote note);
  Task<Result<void>> tell(const EventNote& note);
  Task<Result<void>> create(const EventNote& note, const std::string& name);
  Task<Result<std::int64_t>> patch(
      const EventNote& note, const std::string& name, nlohmann::json change
  );
  Task<Result<void>> count_again(const EventNote& note, const std::string& name);
  Task<Result<nlohmann::json>> send(ApiRequest request);
  void remember(const std::string& name, std::int64_t count);
  void drop();
  void report(const Error& error);

  ApiClient& client_;
  std::function<bool()> may_send_;
  EventOptions options_;
  EventLimits limits_;
  TokenBucket all_;
  Timer timer_;
  std::deque<EventNote> queue_;
  std::map<std::string, std::int64_t> counts_;  // of Events that are there, by namespace/name
  bool troubled_ = false;                       // said already
  Counters counters_;
};

}  // namespace cppx::controller
