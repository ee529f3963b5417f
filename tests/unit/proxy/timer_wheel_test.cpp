#include "proxy/worker/timer_wheel.h"

#include <functional>
#include <memory>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/proxy/turn_until.h"

namespace cppx::proxy {
namespace {

using namespace std::chrono_literals;
using test::turn_until;
using Clock = std::chrono::steady_clock;

struct Probe final : Deadline {
  Probe(TimerWheel& wheel, std::function<void()> then) : Deadline(wheel), call(std::move(then)) {}
  void expired() override { call(); }
  std::function<void()> call;
};

}  // namespace

TEST_CASE("TimerWheel: deadlines pass in order and never early", "[proxy]") {
  EventLoop loop;
  TimerWheel wheel(loop);
  const auto start = Clock::now();
  std::vector<int> order;
  std::vector<Clock::duration> after(3);
  Probe late(wheel, [&] {
    order.push_back(2);
    after[2] = Clock::now() - start;
  });
  Probe soon(wheel, [&] {
    order.push_back(0);
    after[0] = Clock::now() - start;
  });
  Probe middle(wheel, [&] {
    order.push_back(1);
    after[1] = Clock::now() - start;
  });
  late.arm(120ms);
  soon.arm(20ms);
  middle.arm(60ms);
  REQUIRE(turn_until(loop, [&] { return order.size() == 3; }));
  CHECK(order == std::vector<int>{0, 1, 2});
  CHECK(after[0] >= 20ms);
  CHECK(after[1] >= 60ms);
  CHECK(after[2] >= 120ms);
}

TEST_CASE("TimerWheel: armed again it passes at the later time, disarmed never", "[proxy]") {
  EventLoop loop;
  TimerWheel wheel(loop);
  const auto start = Clock::now();
  int passed = 0;
  Clock::duration when{};
  Probe moved(wheel, [&] {
    ++passed;
    when = Clock::now() - start;
  });
  Probe never(wheel, [&] { passed += 100; });
  moved.arm(20ms);
  moved.arm(80ms);
  never.arm(30ms);
  never.disarm();
  REQUIRE(turn_until(loop, [&] { return passed > 0; }));
  CHECK(passed == 1);
  CHECK(when >= 80ms);
}

TEST_CASE("TimerWheel: an earlier time replaces a later one", "[proxy]") {
  EventLoop loop;
  TimerWheel wheel(loop);
  const auto start = Clock::now();
  Clock::duration when{};
  Probe probe(wheel, [&] { when = Clock::now() - start; });
  probe.arm(1h);
  probe.arm(30ms);
  REQUIRE(turn_until(loop, [&] { return when != Clock::duration{}; }));
  CHECK(when >= 30ms);
}

TEST_CASE("TimerWheel: a deadline that passes may end others of the same moment", "[proxy]") {
  EventLoop loop;
  TimerWheel wheel(loop);
  int passed = 0;
  std::vector<std::unique_ptr<Probe>> others;
  const auto end_others = [&] {
    ++passed;
    others.clear();
  };
  // Armed first and last, so that whichever is looked at first finds others before or behind it.
  Probe first(wheel, end_others);
  Probe last(wheel, end_others);
  first.arm(20ms);
  for (int i = 0; i < 16; ++i) {
    others.push_back(std::make_unique<Probe>(wheel, [&] { passed += 100; }));
    others.back()->arm(20ms);
  }
  last.arm(20ms);
  REQUIRE(turn_until(loop, [&] { return passed >= 2; }));
  CHECK(passed == 2);
}

TEST_CASE("TimerWheel: longer than one round of the wheel", "[proxy]") {
  EventLoop loop;
  TimerWheel wheel(loop);
  bool passed = false;
  Probe far(wheel, [&] { passed = true; });
  far.arm(350 * 1024 * TimerWheel::kTick + 50ms);
  // It shares a slot with this one, which must not take it along.
  bool near_passed = false;
  Probe near(wheel, [&] { near_passed = true; });
  near.arm(50ms);
  REQUIRE(turn_until(loop, [&] { return near_passed; }));
  CHECK_FALSE(passed);
  CHECK(far.armed());
}

}  // namespace cppx::proxy
