// ThreadSanitizer brings an operator new that cannot be replaced: its allocator is asked instead.
#include <sanitizer/allocator_interface.h>

#include <cstddef>
#include <cstdlib>

#include "tests/unit/support/allocation_count.h"

namespace {

thread_local std::size_t allocations = 0;
thread_local std::size_t bytes = 0;

void on_malloc(const volatile void*, std::size_t size) {
  ++allocations;
  bytes += size;
}
void on_free(const volatile void*) {}

void install() noexcept {
  static const int installed = __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
  if (installed == 0) std::abort();
}

}  // namespace

namespace cppx::test {

std::size_t allocation_count() noexcept {
  install();
  return allocations;
}

std::size_t allocated_bytes() noexcept {
  install();
  return bytes;
}

}  // namespace cppx::test
