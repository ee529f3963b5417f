#include "proxy/worker/memory_level.h"

namespace cppx::proxy {
namespace {

// Percent of the limit.
constexpr std::uint64_t kHighAt = 80;
constexpr std::uint64_t kShortAt = 90;
constexpr std::uint64_t kExhaustedAt = 97;
constexpr std::uint64_t kLeftBelow = 4;

}  // namespace

MemoryLevel memory_level(std::uint64_t used, std::uint64_t limit, MemoryLevel before) noexcept {
  const auto reached = [&](std::uint64_t percent, MemoryLevel level) {
    const std::uint64_t at = before >= level ? percent - kLeftBelow : percent;
    return used >= limit / 100 * at;
  };
  if (reached(kExhaustedAt, MemoryLevel::kExhausted)) return MemoryLevel::kExhausted;
  if (reached(kShortAt, MemoryLevel::kShort)) return MemoryLevel::kShort;
  return reached(kHighAt, MemoryLevel::kHigh) ? MemoryLevel::kHigh : MemoryLevel::kNormal;
}

}  // namespace cppx::proxy
