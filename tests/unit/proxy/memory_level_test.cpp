#include "proxy/worker/memory_level.h"

#include <cstdint>

#include <catch2/catch_test_macros.hpp>

namespace cppx::proxy {
namespace {

TEST_CASE("memory_level: reached at its share of the limit, left a little below", "[proxy]") {
  const struct {
    std::uint64_t used;
    MemoryLevel before, level;
  } cases[] = {
      {0, MemoryLevel::kNormal, MemoryLevel::kNormal},
      {799, MemoryLevel::kNormal, MemoryLevel::kNormal},
      {800, MemoryLevel::kNormal, MemoryLevel::kHigh},
      {760, MemoryLevel::kHigh, MemoryLevel::kHigh},
      {759, MemoryLevel::kHigh, MemoryLevel::kNormal},
      {899, MemoryLevel::kHigh, MemoryLevel::kHigh},
      {900, MemoryLevel::kNormal, MemoryLevel::kShort},
      {899, MemoryLevel::kShort, MemoryLevel::kShort},
      {860, MemoryLevel::kShort, MemoryLevel::kShort},
      {859, MemoryLevel::kShort, MemoryLevel::kHigh},
      {759, MemoryLevel::kShort, MemoryLevel::kNormal},
      {969, MemoryLevel::kShort, MemoryLevel::kShort},
      {970, MemoryLevel::kShort, MemoryLevel::kExhausted},
      {5000, MemoryLevel::kNormal, MemoryLevel::kExhausted},
      {930, MemoryLevel::kExhausted, MemoryLevel::kExhausted},
      {929, MemoryLevel::kExhausted, MemoryLevel::kShort},
      {0, MemoryLevel::kExhausted, MemoryLevel::kNormal},
  };
  for (const auto& c : cases) {
    CAPTURE(c.used, static_cast<int>(c.before));
    CHECK(memory_level(c.used, 1000, c.before) == c.level);
  }
}

}  // namespace
}  // namespace cppx::proxy
