#include "proxy/upstream/retry_budget.h"

#include <chrono>

#include <catch2/catch_test_macros.hpp>

namespace cppx::proxy {
namespace {

using namespace std::chrono_literals;
using BudgetTime = RetryBudget::Clock::time_point;

constexpr BudgetTime kStart{1h};

/// How many retries can be made at once.
int most_at_once(
    RetryBudget& budget, const routing::RetryBudgetSettings& settings, BudgetTime now
) {
  int count = 0;
  while (count < 1'000'000 && budget.spend(settings, now)) ++count;
  return count;
}

}  // namespace

TEST_CASE("RetryBudget: with little traffic the least is allowed", "[proxy]") {
  RetryBudget budget(kStart);
  const routing::RetryBudgetSettings settings{.percent = 20, .least_per_second = 10};
  CHECK(most_at_once(budget, settings, kStart) == 100);
  CHECK(most_at_once(budget, settings, kStart + 1s) == 9);
  CHECK(most_at_once(budget, settings, kStart + 2s) >= 9);
}

TEST_CASE("RetryBudget: with much traffic a fifth of it", "[proxy]") {
  RetryBudget budget(kStart);
  const routing::RetryBudgetSettings settings{.percent = 20, .least_per_second = 0};
  CHECK(most_at_once(budget, settings, kStart) == 0);
  int retries = 0;
  int requests = 0;
  for (int ms = 0; ms < 60'000; ++ms) {
    budget.on_request();
    ++requests;
    // Every single request would like to be retried.
    retries += budget.spend(settings, kStart + std::chrono::milliseconds(ms)) ? 1 : 0;
  }
  CHECK(retries > requests * 19 / 100);
  CHECK(retries <= requests * 20 / 100);
}

TEST_CASE("RetryBudget: what was earned long ago is gone", "[proxy]") {
  RetryBudget budget(kStart);
  const routing::RetryBudgetSettings settings{.percent = 20, .least_per_second = 0};
  for (int i = 0; i < 10'000; ++i) budget.on_request();
  // 2000 were earned, evenly over the 100 s until somebody asks: those of some 10 s count.
  const int left = most_at_once(budget, settings, kStart + 100s);
  CHECK(left >= 195);
  CHECK(left <= 200);
  CHECK(most_at_once(budget, settings, kStart + 200s) == 0);
}

TEST_CASE("RetryBudget: nothing at all can be set", "[proxy]") {
  RetryBudget budget(kStart);
  budget.on_request();
  CHECK_FALSE(budget.spend({.percent = 0, .least_per_second = 0}, kStart));
  CHECK(budget.denied() == 1);
}

}  // namespace cppx::proxy
