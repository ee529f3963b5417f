#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace cppx::proxy {

/// A fixed number of 64-bit words, all zero at first, shared by all threads. Memory is only in use
/// where a word has been touched, and is aligned to pages.
class ZeroedWords {
 public:
  explicit ZeroedWords(std::size_t count);
  ~ZeroedWords();
  ZeroedWords(const ZeroedWords&) = delete;
  ZeroedWords& operator=(const ZeroedWords&) = delete;

  /// False: the system had no memory, and there are no words.
  [[nodiscard]] bool ok() const noexcept { return words_ != nullptr; }
  [[nodiscard]] std::atomic_ref<std::uint64_t> at(std::size_t index) const noexcept {
    return std::atomic_ref(words_[index]);
  }

 private:
  std::uint64_t* words_ = nullptr;
  std::size_t bytes_;
};

}  // namespace cppx::proxy
