#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace cppx {

/// Resident memory of this process, in bytes; 0 when the kernel does not say.
std::uint64_t resident_bytes() noexcept;

/// What the cgroup of this process may use (v2 memory.max or v1 memory.limit_in_bytes); none
/// without a limit. `root` is "/" but in tests.
std::optional<std::uint64_t> cgroup_memory_limit(const std::filesystem::path& root = "/");

/// Whether the allocator keeps what is freed for a while (as it does from the start), or gives it
/// back to the kernel at once, which costs some time for each block. Of the whole process.
void keep_free_memory(bool keep) noexcept;

/// Gives memory that is free back to the kernel, as far as the calling thread can. Takes up to some
/// milliseconds.
void release_free_memory() noexcept;

}  // namespace cppx
