#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>

#include <boost/asio/basic_waitable_timer.hpp>
#include <nlohmann/json_fwd.hpp>

#include "base/error.h"
#include "controller/kube/api_client.h"
#include "controller/kube/backoff.h"
#include "controller/kube/json_text.h"
#include "controller/kube/list_gate.h"
#include "controller/kube/task.h"
#include "controller/kube/watch_event.h"

namespace cppx::controller {

/// How a ListWatch is doing.
struct ListWatchState {
  bool listed = false;         ///< The first list is complete; stays so.
  bool refused = false;        ///< The server answered the first list with 403 or 404,
  bool refused_again = false;  ///< and so twice more since ask_again().
  std::string error;           ///< One line; empty while all is well.
};

/// Told what a ListWatch finds, in order, on the control thread.
class ListWatchHandler {
 public:
  virtual ~ListWatchHandler() = default;
  /// A list begins: items follow, page by page. A list that fails half-way begins anew by another
  /// call of this; what had come of it counts for nothing.
  virtual void list_started() = 0;
  virtual void listed(const nlohmann::json& item) = 0;
  /// What was listed since list_started() is all there is now.
  virtual void list_complete() = 0;
  /// Added or modified.
  virtual void changed(const nlohmann::json& object) = 0;
  virtual void deleted(const nlohmann::json& object) = 0;
  virtual void state_changed(const ListWatchState& state) = 0;
};

struct ListWatchOptions {
  std::chrono::milliseconds least_delay{500};    ///< Back-off after a failure, doubling
  std::chrono::milliseconds most_delay{30'000};  ///< up to this,
  /// Least delay after 403 and 404. None: an API server that has just started refuses everything
  /// with 403 until it has read the roles.
  std::chrono::milliseconds refused_delay{0};
  std::chrono::seconds watch_timeout{300};  ///< What a watch asks for, plus up to as much again.
  std::chrono::milliseconds watch_grace{30'000};  ///< How much later than that it is given up.
  std::chrono::milliseconds quiet_watch{1'000
  };  ///< A watch that ends sooner without an event failed.
  std::size_t page_limit = 500;
  bool streaming_lists = true;  ///< Where the server has them; otherwise in pages.
  std::chrono::milliseconds list_progress{30'000
  };  ///< A streamed list as quiet as that has failed.
  std::uint32_t seed = std::random_device{}();
};

/// Lists a collection, then watches it from there on, for ever: a watch that ends or breaks is
/// resumed from the last resourceVersion; when the server no longer has that (410), or keeps
/// refusing the watch, it lists again. Nothing is ever reported as deleted because the server went
/// away.
///
/// A list comes as the first events of a watch where the server can do that (sendInitialEvents),
/// otherwise in pages. Either way it passes the client's ListGate, and its items are told one by
/// one.
class ListWatch {
 public:
  /// `selection` are the parameters that select among the objects, ready to be sent
  /// ("labelSelector=a%3Db"), or none. `display` names the collection in the log ("Ingresses").
  /// References live as long as run().
  ListWatch(
      ApiClient& client, std::string collection, std::string selection, std::string display,
      ListWatchHandler& handler, ListWatchOptions options
  );
  ListWatch(const ListWatch&) = delete;
  ListWatch& operator=(const ListWatch&) = delete;

  /// Ends only when cancelled.
  Task<void> run();

  /// A refusal may be from before the server had read the rights, and they are known by now: what
  /// was refused is asked for at once, and it counts from now on how often it is refused. Once.
  void ask_again();

  [[nodiscard]] const ListWatchState& state() const noexcept { return state_; }

 private:
  using Clock = std::chrono::steady_clock;
  using Timer = boost::asio::basic_waitable_timer<Clock, boost::asio::wait_traits<Clock>, Executor>;

  Task<Result<void>> list();
  Task<Result<ListPage>> list_page(std::string continuation, bool paged);
  Task<void> list_once();
  Task<void> stream_once();
  Task<void> watch_once();
  Task<void> after_watch(Result<void> watched, Clock::time_point started);
  Task<Result<void>> watch(std::string target, std::chrono::seconds timeout);
  Task<Result<void>> follow(WatchStream& stream, Clock::time_point end);
  Error refused_watch(const ApiResponse& response);
  Error refused_stream(Error error);
  void stream_failed(const Result<void>& streamed);
  Result<void> handle_line(std::string_view line);
  Result<void> handle_event(const WatchEvent& event);
  Result<void> handle_initial(const WatchEvent& event);
  void initial_events_ended(std::string version);
  [[nodiscard]] std::chrono::seconds pick_timeout();
  [[nodiscard]] std::string list_target(const std::string& continuation, bool paged) const;
  [[nodiscard]] std::string watch_target(std::chrono::seconds timeout) const;
  [[nodiscard]] std::string stream_target(std::chrono::seconds timeout) const;
  [[nodiscard]] std::string collection_with(std::string query) const;
  void failed(std::string_view doing, const Error& error);
  void succeeded();
  /// How long to wait after a failure.
  [[nodiscard]] std::chrono::milliseconds delay();
  [[nodiscard]] bool refused() const noexcept;
  Task<void> pause(std::chrono::milliseconds delay);

  ApiClient& client_;
  std::string collection_;
  std::string selection_;
  std::string display_;
  ListWatchHandler& handler_;
  ListWatchOptions options_;
  ListWatchState state_;
  Backoff backoff_;
  std::minstd_rand random_;
  Timer timer_;
  std::string resource_version_;                     ///< Empty: a list is due.
  unsigned status_ = 0;                              ///< Of the last answer, 0 without one;
  std::optional<std::chrono::seconds> retry_after_;  ///< and what it asked for.
  bool asked_again_ = false;                         ///< As ask_again() says,
  bool asked_before_ = false;                        ///< before the present attempt began.
  unsigned refusals_ = 0;                            ///< Of attempts since then.
  bool hurry_ = false;                               ///< The next pause is left out.
  unsigned refused_watches_ = 0;                     ///< In a row, by a server that is there.
  std::optional<ListGate::Pass> streaming_;  ///< While the initial events of a watch come in.
  unsigned failed_streams_ = 0;              ///< In a row, opened well and never complete.
  bool watch_fruitful_ = false;              ///< The present watch brought an event.
};

}  // namespace cppx::controller
