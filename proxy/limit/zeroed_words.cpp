#include "proxy/limit/zeroed_words.h"

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

namespace cppx::proxy {

ZeroedWords::ZeroedWords(std::size_t count) : bytes_(count * sizeof(std::uint64_t)) {
  void* pages = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages != MAP_FAILED) words_ = static_cast<std::uint64_t*>(pages);  // NOLINT: a macro's cast
}

ZeroedWords::~ZeroedWords() {
  if (words_ != nullptr) ::munmap(words_, bytes_);
}

}  // namespace cppx::proxy
