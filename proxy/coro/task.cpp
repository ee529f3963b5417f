#include "proxy/coro/task.h"

#include <array>
#include <new>

namespace cppx::proxy {
namespace {

constexpr std::size_t kStep = 128;
constexpr std::size_t kClasses = 32;  // frames of up to 4 KiB are kept

struct FreeFrame {
  FreeFrame* next;
};

// Per thread and freed with it: frames never change threads.
struct FreeLists {
  std::array<FreeFrame*, kClasses> heads{};
  FreeLists() = default;
  FreeLists(const FreeLists&) = delete;
  FreeLists& operator=(const FreeLists&) = delete;
  ~FreeLists() { clear(); }
  void clear() noexcept {
    for (FreeFrame*& head : heads) {
      while (head != nullptr) ::operator delete(std::exchange(head, head->next));
    }
  }
};
thread_local FreeLists free_lists;

constexpr std::size_t class_of(std::size_t size) noexcept { return (size + kStep - 1) / kStep; }

}  // namespace

void* FramePool::allocate(std::size_t size) {
  const std::size_t size_class = class_of(size);
  if (size_class >= kClasses) return ::operator new(size);
  FreeFrame*& head = free_lists.heads[size_class];
  if (head != nullptr) return std::exchange(head, head->next);
  return ::operator new(size_class * kStep);
}

void FramePool::release(void* frame, std::size_t size) noexcept {
  const std::size_t size_class = class_of(size);
  if (size_class >= kClasses) {
    ::operator delete(frame);
    return;
  }
  auto* free = static_cast<FreeFrame*>(frame);
  free->next = free_lists.heads[size_class];
  free_lists.heads[size_class] = free;
}

void FramePool::release_idle() noexcept { free_lists.clear(); }

}  // namespace cppx::proxy
