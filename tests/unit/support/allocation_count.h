#pragma once

#include <cstddef>

namespace cppx::test {

/// Calls of operator new by this thread so far: the executable that links allocation_count.cpp
/// counts.
std::size_t allocation_count() noexcept;
/// How many bytes these asked for together.
std::size_t allocated_bytes() noexcept;

}  // namespace cppx::test
