#include "routing/endpoint/pool_table.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>

namespace cppx::routing {

PoolTable::PoolTable(std::span<const Pool> pools) : size_(pools.size()) {
  while (!pools.empty()) {
    const auto some = pools.first(std::min(kPartSize, pools.size()));
    auto part = std::make_shared<Part>();
    std::ranges::copy(some, part->begin());
    parts_.push_back(std::move(part));
    pools = pools.subspan(some.size());
  }
}

PoolTable PoolTable::with(const Changes& changes) const {
  PoolTable out = *this;
  if (changes.empty()) return out;
  out.size_ = std::max<std::size_t>(size_, changes.rbegin()->first + std::size_t{1});
  out.parts_.resize((out.size_ + kPartSize - 1) / kPartSize);
  for (auto change = changes.begin(); change != changes.end();) {
    const std::size_t number = change->first / kPartSize;
    auto& place = out.parts_[number];
    auto part = place == nullptr ? std::make_shared<Part>() : std::make_shared<Part>(*place);
    for (; change != changes.end() && change->first / kPartSize == number; ++change)
      (*part)[change->first % kPartSize] = change->second;
    place = std::move(part);
  }
  return out;
}

bool operator==(const PoolTable& a, const PoolTable& b) noexcept {
  return a.size_ == b.size_ &&
         std::ranges::equal(a.parts_, b.parts_, [](const auto& x, const auto& y) {
           return x == y || *x == *y;
         });
}

}  // namespace cppx::routing
