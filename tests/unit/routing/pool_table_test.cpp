#include "routing/endpoint/pool_table.h"

#include <cstddef>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "routing/endpoint/endpoint.h"
#include "routing/match/route.h"

namespace cppx::routing {
namespace {

using TablePools = std::vector<PoolTable::Pool>;

PoolTable::Pool new_pool() { return std::make_shared<const EndpointPool>(); }

TablePools new_pools(std::size_t count) {
  TablePools out;
  while (out.size() < count) out.push_back(new_pool());
  return out;
}

TablePools pools_in(const PoolTable& table) {
  TablePools out;
  for (const auto& pool : table) {
    CHECK(&pool == &table[static_cast<PoolIndex>(out.size())]);
    out.push_back(pool);
  }
  CHECK(out.size() == table.size());
  return out;
}

/// Places that are not only equal in both, but the same object.
std::size_t shared_places(const PoolTable& a, const PoolTable& b) {
  std::size_t out = 0;
  for (PoolIndex i = 0; i < a.size() && i < b.size(); ++i) out += &a[i] == &b[i] ? 1U : 0U;
  return out;
}

TEST_CASE("PoolTable: places have what they were given", "[routing]") {
  CHECK(pools_in(PoolTable()).empty());
  const TablePools two = new_pools(2);
  CHECK(pools_in(PoolTable{two[0], two[1]}) == two);
  for (const std::size_t count : {0U, 1U, 63U, 64U, 65U, 128U, 1'000U}) {
    CAPTURE(count);
    const TablePools pools = new_pools(count);
    CHECK(pools_in(PoolTable(pools)) == pools);
  }
}

TEST_CASE("PoolTable: equal are tables of the same pools", "[routing]") {
  const TablePools pools = new_pools(130);
  const PoolTable table(pools);
  CHECK(table == PoolTable(table));
  CHECK(table == PoolTable(pools));
  CHECK(table == table.with({{100, pools[100]}}));
  CHECK(table != table.with({{100, new_pool()}}));
  CHECK(table != table.with({{130, new_pool()}}));
  CHECK(table != PoolTable());
  CHECK(PoolTable() == PoolTable().with({}));
}

TEST_CASE("PoolTable: a change makes one part anew, and all else is shared", "[routing]") {
  const TablePools pools = new_pools(8'000);
  const PoolTable before(pools);
  CHECK(shared_places(before, before.with({})) == 8'000);
  const auto changed = new_pool();
  const PoolTable after = before.with({{70, changed}});
  CHECK(after[70] == changed);
  CHECK(before[70] == pools[70]);
  CHECK(after[69] == pools[69]);
  CHECK(after[71] == pools[71]);
  CHECK(shared_places(before, after) == 8'000 - 64);
  // Of several changes in a part one copy is made, of changes in several parts one each.
  CHECK(shared_places(before, before.with({{0, changed}, {63, changed}})) == 8'000 - 64);
  CHECK(shared_places(before, before.with({{63, changed}, {64, changed}})) == 8'000 - 128);
}

TEST_CASE("PoolTable: what is added leaves full parts alone", "[routing]") {
  const TablePools pools = new_pools(128);
  const PoolTable before(pools);
  const auto added = new_pool();
  const PoolTable after = before.with({{128, added}, {129, added}});
  CHECK(after.size() == 130);
  CHECK(after[129] == added);
  CHECK(before.size() == 128);
  CHECK(shared_places(before, after) == 128);
  CHECK(shared_places(after, after.with({{130, added}})) == 128);
}

TEST_CASE("PoolTable: the last table that has a pool frees it", "[routing]") {
  auto pool = new_pool();
  const std::weak_ptr<const EndpointPool> seen = pool;
  auto before = std::make_unique<PoolTable>(PoolTable{std::move(pool), new_pool()});
  const PoolTable after = before->with({{0, new_pool()}});
  CHECK_FALSE(seen.expired());
  before.reset();
  CHECK(seen.expired());
}

TEST_CASE("PoolTable: any changes, step by step, give what they give at once", "[routing]") {
  std::mt19937 random(20261126);
  TablePools expected;
  PoolTable table;
  for (int step = 1; step <= 300; ++step) {
    PoolTable::Changes changes;
    for (auto left = random() % 8; left > 0 && !expected.empty(); --left) {
      const std::size_t place = random() % expected.size();
      changes[static_cast<PoolIndex>(place)] = expected[place] = new_pool();
    }
    for (auto left = random() % 4; left > 0; --left) {
      expected.push_back(new_pool());
      changes[static_cast<PoolIndex>(expected.size() - 1)] = expected.back();
    }
    table = table.with(changes);
    REQUIRE(pools_in(table) == expected);
  }
  CHECK(table == PoolTable(expected));
}

}  // namespace
}  // namespace cppx::routing
