#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "proxy/worker/local_snapshot.h"
#include "routing/snapshot.h"

namespace cppx::proxy {
namespace {

std::shared_ptr<const routing::Snapshot> snapshot(std::uint64_t generation) {
  auto made = std::make_shared<routing::Snapshot>();
  made->generation = generation;
  return made;
}

}  // namespace

TEST_CASE("SnapshotHolder: all workers go over to a generation at once", "[proxy]") {
  std::atomic<std::uint64_t> arrived{0};
  std::vector<std::uint64_t> retired;
  const Retire retire = [&](const auto& old) { retired.push_back(old->generation); };
  SnapshotHolder one(retire, arrived);
  SnapshotHolder two(retire, arrived);
  for (SnapshotHolder* holder : {&one, &two}) holder->offer(snapshot(1));
  arrived = 1;
  CHECK(one.empty());
  one.advance();
  two.advance();
  CHECK(one.pin()->generation == 1);

  // Two more come to the first one; it goes on with what both have.
  one.offer(snapshot(2));
  one.offer(snapshot(3));
  CHECK(one.pin()->generation == 1);
  two.offer(snapshot(2));
  arrived = 2;
  SnapshotPin held = one.pin();
  CHECK(held->generation == 2);
  CHECK(two.pin()->generation == 2);
  two.offer(snapshot(3));
  arrived = 3;
  CHECK(two.pin()->generation == 3);
  CHECK(one.pin()->generation == 3);
  CHECK(one.current().generation == 3);

  CHECK(retired.empty());
  one.release_unused();
  CHECK(retired == std::vector<std::uint64_t>{1});  // 2 is held
  held = SnapshotPin();
  one.release_unused();
  two.release_unused();
  CHECK(retired == std::vector<std::uint64_t>{1, 2, 1, 2});
}

TEST_CASE("SnapshotHolder: a worker that does not answer does not hold the others up", "[proxy]") {
  const std::atomic<std::uint64_t> arrived{1};
  SnapshotHolder holder([](const auto&) {}, arrived);
  holder.offer(snapshot(1));
  holder.advance();
  const auto offered = std::chrono::steady_clock::now();
  holder.offer(snapshot(2));
  while (holder.pin()->generation == 1) {
    REQUIRE(std::chrono::steady_clock::now() - offered < std::chrono::seconds(20));
    std::this_thread::yield();
  }
  CHECK(std::chrono::steady_clock::now() - offered >= SnapshotHolder::kPatience);
}

}  // namespace cppx::proxy
