#pragma once

#include <chrono>

#include "proxy/transport/event_loop.h"

namespace cppx::proxy::test {

/// Turns the loop until `condition` holds; whether it did within 20 s.
template <class Condition>
bool turn_until(EventLoop& loop, Condition condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition() && std::chrono::steady_clock::now() < end)
    loop.turn(std::chrono::milliseconds(100));
  return condition();
}

}  // namespace cppx::proxy::test
