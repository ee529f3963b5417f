#include "base/memory.h"

#include <fcntl.h>
#if defined(__SANITIZE_ADDRESS__)
#define CPPX_ADDRESS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CPPX_ADDRESS_SANITIZER
#endif
#endif
#if defined(CPPX_ADDRESS_SANITIZER)
#include <sanitizer/allocator_interface.h>
#elif defined(CPPX_MIMALLOC)
#include <mimalloc.h>
#else
#include <malloc.h>
#endif
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string_view>

#include "base/descriptor.h"
#include "base/text.h"

namespace cppx {
namespace {

// v1 says so when there is no limit: the largest multiple of the page size, or near it.
constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 60;

/// Kept open: it is asked for when descriptors are short, too. -1 as long as it cannot be opened.
int memory_file() noexcept {
  static std::atomic<int> kept{-1};
  int file = kept.load();
  if (file >= 0) return file;
  Descriptor opened(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
  // Another thread may have been first: `file` is then the one it opened.
  if (opened.is_open() && kept.compare_exchange_strong(file, opened.get())) return opened.release();
  return file;
}

}  // namespace

std::uint64_t resident_bytes() noexcept {
  const int file = memory_file();
  std::array<char, 128> text;
  const ssize_t size = file >= 0 ? ::pread(file, text.data(), text.size(), 0) : 0;
  std::string_view rest(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  rest.remove_prefix(std::min(rest.find(' ') + 1, rest.size()));
  const auto pages = parse_int<std::int64_t>(rest.substr(0, rest.find(' ')));
  return pages ? static_cast<std::uint64_t>(*pages * ::sysconf(_SC_PAGESIZE)) : 0;
}

std::optional<std::uint64_t> cgroup_memory_limit(const std::filesystem::path& root) {
  for (const char* file :
       {"sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::ifstream in(root / file);
    std::uint64_t limit = 0;
    if (in >> limit && limit > 0 && limit < kNoLimit) return limit;
  }
  return std::nullopt;
}

#if defined(CPPX_ADDRESS_SANITIZER)
void keep_free_memory(bool) noexcept {}

void release_free_memory() noexcept { __sanitizer_purge_allocator(); }
#elif defined(CPPX_MIMALLOC)
void keep_free_memory(bool keep) noexcept {
  static const long delay = mi_option_get(mi_option_decommit_delay);
  mi_option_set(mi_option_decommit_delay, keep ? delay : 0);
}

void release_free_memory() noexcept { mi_collect(true); }
#else
// glibc has no such choice.
void keep_free_memory(bool) noexcept {}

void release_free_memory() noexcept { ::malloc_trim(0); }
#endif

}  // namespace cppx
