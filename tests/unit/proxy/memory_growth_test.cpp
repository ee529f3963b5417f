#include "proxy/worker/memory_growth.h"

#include <cstddef>

#include <catch2/catch_test_macros.hpp>

#include "proxy/stream/stream_state.h"
#include "proxy/worker/buffer_pool.h"

namespace cppx::proxy {
namespace {

TEST_CASE("MemoryGrowth: tells of each step, whatever it is made of", "[proxy]") {
  int told = 0;
  MemoryGrowth growth([&told] { ++told; });
  growth.add(MemoryGrowth::kStep - 1);
  CHECK(told == 0);
  growth.add(1);
  CHECK(told == 1);
  growth.add(10 * MemoryGrowth::kStep);
  CHECK(told == 2);
  growth.add(MemoryGrowth::kStep - 1);
  CHECK(told == 2);
  BufferPool buffers(growth);
  const Buffer buffer = buffers.take_small();
  CHECK(told == 3);
}

TEST_CASE("MemoryGrowth: what is taken once more does not count", "[proxy]") {
  int told = 0;
  MemoryGrowth growth([&told] { ++told; });
  BufferPool buffers(growth);
  StreamStatePool states(growth);
  constexpr std::size_t kTimes = 2 * MemoryGrowth::kStep / MemoryGrowth::kStream;
  for (std::size_t i = 0; i < kTimes; ++i) {
    const Buffer buffer = buffers.take_large();
    states.give_back(states.take());
  }
  CHECK(told == 0);
}

TEST_CASE("MemoryGrowth: nobody needs to listen", "[proxy]") {
  MemoryGrowth growth({});
  growth.add(10 * MemoryGrowth::kStep);
}

}  // namespace
}  // namespace cppx::proxy
