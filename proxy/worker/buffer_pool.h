#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "proxy/worker/memory_growth.h"

namespace cppx::proxy {

class BufferPool;

/// A buffer borrowed from the worker's pool; goes back when destroyed. Empty when default made.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept
      : pool_(other.pool_),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer() { reset(); }

  void reset() noexcept;
  [[nodiscard]] bool empty() const noexcept { return data_ == nullptr; }
  [[nodiscard]] char* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  friend class BufferPool;
  Buffer(BufferPool* pool, char* data, std::size_t size) noexcept
      : pool_(pool), data_(data), size_(size) {}

  BufferPool* pool_ = nullptr;
  char* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Buffers of two sizes, kept for reuse by one worker. Must outlive the buffers it gave out.
class BufferPool {
 public:
  static constexpr std::size_t kSmall = 16 * 1024;  ///< A usual head, or one TLS record.
  static constexpr std::size_t kLarge = 64 * 1024;  ///< The largest head, and bodies in bulk.

  /// `growth` hears of what is asked from the heap; it must outlive the pool.
  explicit BufferPool(MemoryGrowth& growth) noexcept : growth_(growth) {}
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  ~BufferPool();

  Buffer take_small() { return take(small_, kSmall); }
  Buffer take_large() { return take(large_, kLarge); }
  /// Gives what is kept idle back to the heap.
  void release_idle() noexcept;

 private:
  friend class Buffer;
  // What is kept idle at most; the rest goes back to the heap, so that a burst does not stay
  // forever.
  static constexpr std::size_t kKeptSmall = 1024;
  static constexpr std::size_t kKeptLarge = 128;

  Buffer take(std::vector<char*>& free, std::size_t size);
  char* grow(std::size_t size);
  void give_back(char* data, std::size_t size) noexcept;

  MemoryGrowth& growth_;
  std::vector<char*> small_;
  std::vector<char*> large_;
};

}  // namespace cppx::proxy
