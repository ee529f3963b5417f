#include "base/huge_pages.h"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>

namespace cppx {
namespace {

template <class T>
std::uintptr_t address_of(const std::vector<T, HugePageAllocator<T>>& table) {
  return reinterpret_cast<std::uintptr_t>(table.data());
}

TEST_CASE("HugePageAllocator: begins on a cache line, when large on a huge page", "[base]") {
  for (const std::size_t count : {1UL, 63UL, 65UL, 4'096UL, 1UL << 18, 1UL << 19}) {
    const std::vector<std::uint32_t, HugePageAllocator<std::uint32_t>> table(count, 7);
    CAPTURE(count);
    CHECK(address_of(table) % 64 == 0);
    if (count * 4 >= 1 << 20) CHECK(address_of(table) % (2 << 20) == 0);
    CHECK(table.back() == 7);
  }
}

TEST_CASE("HugePageAllocator: a table that grows keeps what it has", "[base]") {
  std::vector<std::uint32_t, HugePageAllocator<std::uint32_t>> table;
  for (std::uint32_t i = 0; i < 1'000'000; ++i) table.push_back(i);
  for (std::uint32_t i = 0; i < table.size(); i += 997) REQUIRE(table[i] == i);
  auto moved = std::move(table);
  CHECK(moved.back() == 999'999);
}

}  // namespace
}  // namespace cppx
