#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <new>

namespace cppx {

/// Allocator of tables that are read at random places: what is large enough lies on huge pages, if
/// the kernel gives any, so that a look-up does not miss the TLB on top of the cache. Everything
/// begins on a cache line.
template <class T>
class HugePageAllocator {
 public:
  using value_type = T;
  static constexpr std::size_t kHugePageBytes = 2U << 20;
  static constexpr std::size_t kCacheLineBytes = 64;

  HugePageAllocator() noexcept = default;
  template <class U>
  HugePageAllocator(const HugePageAllocator<U>& /*other*/) noexcept {
  }  // NOLINT(google-explicit-constructor)

  T* allocate(std::size_t count) {
    // What fills half a page may have a whole one.
    const bool large = count * sizeof(T) >= kHugePageBytes / 2;
    const std::size_t unit = large ? kHugePageBytes : kCacheLineBytes;
    const std::size_t bytes = (count * sizeof(T) + unit - 1) / unit * unit;
    void* const memory = std::aligned_alloc(unit, bytes);
    if (memory == nullptr) throw std::bad_alloc();
    // Advice: without it, or where huge pages are off, everything works as well.
    if (large) madvise(memory, bytes, MADV_HUGEPAGE);
    return static_cast<T*>(memory);
  }

  void deallocate(T* memory, std::size_t /*count*/) noexcept { std::free(memory); }

  bool operator==(const HugePageAllocator& /*other*/) const noexcept { return true; }
};

}  // namespace cppx
