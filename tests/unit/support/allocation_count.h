#pragma once

#include <cstddef>

namespace cppx::test {

/// Calls of operator new by this thread so far: the executable that links allocation_count.cpp
/// counts.
std::size_t allocation_count() noexcept;

}  // namespace cppx::test
