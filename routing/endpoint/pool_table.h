#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "routing/endpoint/endpoint.h"
#include "routing/match/route.h"

namespace cppx::routing {

/// Pools by PoolIndex. Immutable; `with` makes another one that shares all it can: the places are
/// divided into parts, and only those in which a pool changes are made anew. A stream keeps the
/// table that it began with, for hours if it is a tunnel, so each further one has to be small.
class PoolTable {
 public:
  using Pool = std::shared_ptr<const EndpointPool>;
  /// What the places have from now on. None is null.
  using Changes = std::map<PoolIndex, Pool>;
  class Iterator;

  PoolTable() = default;
  PoolTable(std::initializer_list<Pool> pools)
      : PoolTable(std::span(pools.begin(), pools.size())) {}
  explicit PoolTable(std::span<const Pool> pools);

  /// A table in which these places have other pools. Places behind the last one make it longer;
  /// none may be left out.
  [[nodiscard]] PoolTable with(const Changes& changes) const;

  /// `index` is below size(). The reference is good for as long as any table that shares the part.
  [[nodiscard]] const Pool& operator[](PoolIndex index) const noexcept {
    return (*parts_[index / kPartSize])[index % kPartSize];
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] Iterator begin() const noexcept;
  [[nodiscard]] Iterator end() const noexcept;

  /// The same pools, not equal ones. Of shared parts it does not look at the pools.
  friend bool operator==(const PoolTable& a, const PoolTable& b) noexcept;

 private:
  /// Few enough to be copied for each change, many enough to leave few parts to be counted.
  static constexpr std::size_t kPartSize = 64;
  using Part = std::array<Pool, kPartSize>;  // null behind the last place

  std::vector<std::shared_ptr<const Part>> parts_;
  std::size_t size_ = 0;
};

/// In the order of the places.
class PoolTable::Iterator {
 public:
  Iterator(const PoolTable& table, std::size_t place) noexcept : table_(&table), place_(place) {}

  const Pool& operator*() const noexcept { return (*table_)[static_cast<PoolIndex>(place_)]; }
  Iterator& operator++() noexcept {
    ++place_;
    return *this;
  }
  bool operator==(const Iterator&) const = default;

 private:
  const PoolTable* table_;
  std::size_t place_;
};

inline PoolTable::Iterator PoolTable::begin() const noexcept { return {*this, 0}; }
inline PoolTable::Iterator PoolTable::end() const noexcept { return {*this, size_}; }

}  // namespace cppx::routing
