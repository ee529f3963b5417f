#include "proxy/worker/buffer_pool.h"

#include <new>

namespace cppx::proxy {

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this != &other) {
    reset();
    pool_ = other.pool_;
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

void Buffer::reset() noexcept {
  if (data_ != nullptr) pool_->give_back(std::exchange(data_, nullptr), std::exchange(size_, 0));
}

BufferPool::~BufferPool() { release_idle(); }

void BufferPool::release_idle() noexcept {
  for (auto* free : {&small_, &large_}) {
    for (char* data : *free) ::operator delete(data);
    free->clear();
  }
}

Buffer BufferPool::take(std::vector<char*>& free, std::size_t size) {
  if (free.empty()) return {this, grow(size), size};
  char* data = free.back();
  free.pop_back();
  return {this, data, size};
}

char* BufferPool::grow(std::size_t size) {
  growth_.add(size);
  return static_cast<char*>(::operator new(size));
}

void BufferPool::give_back(char* data, std::size_t size) noexcept {
  const bool large = size == kLarge;
  auto& free = large ? large_ : small_;
  if (free.size() >= (large ? kKeptLarge : kKeptSmall)) {
    ::operator delete(data);
    return;
  }
  free.push_back(data);
}

}  // namespace cppx::proxy
