#include "proxy/coro/task.h"

#include <memory>
#include <vector>

#include <catch2/catch_test_macros.hpp>

namespace cppx::proxy {
namespace {

Task<int> answer() { co_return 42; }

Task<int> sum(int depth) {
  if (depth == 0) co_return 0;
  const int rest = co_await sum(depth - 1);
  co_return rest + 1;
}

Task<void> wait_for(Event& event, std::vector<int>& order) {
  order.push_back(1);
  co_await event;
  order.push_back(2);
}

Task<void> store(int& into) {
  const int value = co_await answer();
  into = value;
}

Task<void> loop(int rounds, int& total) {
  for (int i = 0; i < rounds; ++i) {
    const int value = co_await answer();
    total += value;
  }
}

}  // namespace

TEST_CASE("Task: runs when awaited and gives its value", "[proxy]") {
  int value = 0;
  bool done = false;
  spawn(store(value), [&done] { done = true; });
  CHECK(value == 42);
  CHECK(done);
}

TEST_CASE("Task: an Event resumes its waiter once", "[proxy]") {
  Event event;
  std::vector<int> order;
  bool done = false;
  spawn(wait_for(event, order), [&done] { done = true; });
  CHECK(order == std::vector<int>{1});
  CHECK_FALSE(done);
  event.set();
  CHECK(order == std::vector<int>{1, 2});
  CHECK(done);
}

TEST_CASE("Task: a hundred thousand awaits in a row do not grow the stack", "[proxy]") {
  int total = 0;
  spawn(loop(100'000, total), [] {});
  CHECK(total == 4'200'000);
}

TEST_CASE("Task: a Task that never ran frees its frame", "[proxy]") {
  auto task = std::make_unique<Task<int>>(sum(3));
  task.reset();
  SUCCEED("the sanitizers would tell");
}

}  // namespace cppx::proxy
