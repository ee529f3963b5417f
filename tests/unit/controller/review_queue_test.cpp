#include "controller/admission/review_queue.h"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>

#include "controller/admission/review.h"
#include "controller/kube/task.h"
#include "controller/kube/task_group.h"
#include "controller/model/objects.h"
#include "tests/unit/controller/kube_support.h"

namespace cppx::controller {
namespace {

using namespace std::chrono_literals;
using Begun = std::vector<std::string>;

/// A queue, and a thread for reviews that does nothing until it is told to.
class Desk {
 public:
  explicit Desk(std::chrono::seconds at_most)
      : queue_(
            io_.get_executor(),
            [this](Ingress ingress, ReviewDone done) {
              begun_.push_back(ingress.meta.key.name);
              done_.push_back(std::move(done));
            },
            at_most
        ) {}

  void ask(const std::string& name) {
    tasks_.spawn(wait_for_answer(name));
    turn();
  }
  /// The review that began as the `i`th ends, with the name of its Ingress as the message.
  void end(std::size_t i) {
    done_.at(i)(AdmissionVerdict{.allowed = false, .message = begun_.at(i), .warnings = {}});
    turn();
  }
  bool run_until_answered(std::size_t count) {
    return test::run_until(io_, [&] { return answers_.size() == count; });
  }

  [[nodiscard]] const Begun& begun() const { return begun_; }
  [[nodiscard]] bool is_awaited(std::size_t i) const { return done_.at(i).is_awaited(); }
  /// Messages by name; nothing: no verdict.
  [[nodiscard]] const std::map<std::string, std::optional<std::string>>& answers() const {
    return answers_;
  }

 private:
  Task<void> wait_for_answer(std::string name) {
    Ingress ingress;
    ingress.meta.key.name = name;
    const auto verdict = co_await queue_.ask(std::move(ingress));
    answers_[name] = verdict ? std::optional(verdict->message) : std::nullopt;
  }
  void turn() {
    io_.restart();
    io_.poll();
  }

  boost::asio::io_context io_{1};
  Begun begun_;
  std::vector<ReviewDone> done_;
  std::map<std::string, std::optional<std::string>> answers_;
  ReviewQueue queue_;
  TaskGroup tasks_{io_.get_executor()};
};

}  // namespace

TEST_CASE("ReviewQueue: one review at a time, in the order of asking", "[controller]") {
  Desk desk(1h);
  desk.ask("a");
  desk.ask("b");
  desk.ask("c");
  CHECK(desk.begun() == Begun{"a"});
  CHECK(desk.is_awaited(0));
  CHECK(desk.answers().empty());
  desk.end(0);
  CHECK(desk.begun() == Begun{"a", "b"});
  CHECK(desk.answers().at("a") == "a");
  desk.end(1);
  desk.end(2);
  CHECK(desk.begun() == Begun{"a", "b", "c"});
  CHECK(desk.answers().size() == 3);
  CHECK(desk.answers().at("c") == "c");
  desk.ask("d");
  CHECK(desk.begun().size() == 4);
}

TEST_CASE(
    "ReviewQueue: nobody is kept longer than that, and what waits for a turn goes too",
    "[controller]"
) {
  Desk desk(0s);
  desk.ask("a");
  desk.ask("b");
  REQUIRE(desk.run_until_answered(2));
  CHECK(desk.answers().at("a") == std::nullopt);
  CHECK(desk.answers().at("b") == std::nullopt);
  CHECK(desk.begun() == Begun{"a"});
  CHECK_FALSE(desk.is_awaited(0));
  // Not while the first one, late as it is, is still at it.
  desk.ask("c");
  REQUIRE(desk.run_until_answered(3));
  desk.end(0);
  CHECK(desk.begun() == Begun{"a"});
  CHECK(desk.answers().at("a") == std::nullopt);
  desk.ask("d");
  CHECK(desk.begun() == Begun{"a", "d"});
}

}  // namespace cppx::controller
