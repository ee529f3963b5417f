#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "proxy/limit/zeroed_words.h"

namespace cppx::proxy {

class RequestCountTable;

/// One request that is counted; not counted any more when this is destroyed.
class CountedRequest {
 public:
  CountedRequest() = default;
  CountedRequest(CountedRequest&& other) noexcept
      : table_(std::exchange(other.table_, nullptr)), index_(other.index_) {}
  CountedRequest& operator=(CountedRequest&& other) noexcept {
    std::swap(table_, other.table_);
    std::swap(index_, other.index_);
    return *this;
  }
  ~CountedRequest();

  [[nodiscard]] explicit operator bool() const noexcept { return table_ != nullptr; }

 private:
  friend class RequestCountTable;
  CountedRequest(RequestCountTable& table, std::size_t index) noexcept
      : table_(&table), index_(index) {}

  RequestCountTable* table_ = nullptr;
  std::size_t index_ = 0;
};

/// How many requests of each client are in progress, for all workers: a table of fixed size without
/// locks, in sets of eight as RateTable. Two workers that meet a client for the first time in the
/// same instant may count it twice, each for itself; that lasts until the client has none. From any
/// thread.
class RequestCountTable {
 public:
  static constexpr std::size_t kSets = 131072;

  /// Counts one more, or nothing if the client `key` (a keyed hash) has `limit` already, or there
  /// is no place for another client: then the machine is full of them.
  CountedRequest add(std::uint64_t key, std::uint32_t limit) noexcept;

 private:
  friend class CountedRequest;
  void remove(std::size_t index) noexcept;

  ZeroedWords words_{kSets * 8};
};

}  // namespace cppx::proxy
