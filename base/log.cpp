#include "base/log.h"

#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/text.h"

namespace cppx::log {
namespace {

// The log is the one thing every thread may reach without being handed it: a message must not need
// a parameter. It holds no state that decides anything.
struct Sink {
  std::shared_ptr<spdlog::details::thread_pool> thread;
  std::shared_ptr<spdlog::async_logger> logger;
  bool json = false;
};
std::atomic<int> least_level{static_cast<int>(Level::kError) + 1};
std::unique_ptr<Sink> sink;

constexpr std::size_t kQueuedLines = 8192;

spdlog::level::level_enum to_spdlog(Level level) noexcept {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

}  // namespace

void start(Level least, bool json) {
  sink = std::make_unique<Sink>();
  sink->json = json;
  sink->thread = std::make_shared<spdlog::details::thread_pool>(kQueuedLines, 1);
  // A full queue drops the oldest line rather than make a worker wait.
  sink->logger = std::make_shared<spdlog::async_logger>(
      "cppx", std::make_shared<spdlog::sinks::stderr_sink_mt>(), sink->thread,
      spdlog::async_overflow_policy::overrun_oldest
  );
  sink->logger->set_level(spdlog::level::debug);
  sink->logger->flush_on(spdlog::level::debug);
  sink->logger->set_pattern(
      json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","message":%v})"
           : "%Y-%m-%dT%H:%M:%S.%eZ %l %v",
      spdlog::pattern_time_type::utc
  );
  least_level.store(static_cast<int>(least), std::memory_order_release);
}

bool stop(std::chrono::milliseconds patience) {
  least_level.store(static_cast<int>(Level::kError) + 1, std::memory_order_release);
  if (!sink) return true;
  // The logger's thread is joined where it goes: by a thread that may be left waiting for it.
  std::promise<void> ended;
  const std::future<void> end = ended.get_future();
  std::thread ending([last = std::move(sink), ended = std::move(ended)]() mutable {
    last->logger->flush();
    // First the thread, which ends when the queue is empty: nothing writes through the logger any
    // more when it goes.
    last->thread.reset();
    last->logger.reset();
    last.reset();
    ended.set_value();
  });
  const bool in_time = end.wait_for(patience) == std::future_status::ready;
  if (in_time)
    ending.join();
  else
    ending.detach();
  return in_time;
}

bool enabled(Level level) noexcept {
  return static_cast<int>(level) >= least_level.load(std::memory_order_acquire);
}

void write(Level level, std::string_view line) {
  if (!enabled(level)) return;
  if (sink->json) {
    const nlohmann::json quoted(line);
    sink->logger->log(
        to_spdlog(level), quoted.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace)
    );
  } else {
    sink->logger->log(to_spdlog(level), printable(line));
  }
}

}  // namespace cppx::log
