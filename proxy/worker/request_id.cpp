#include "proxy/worker/request_id.h"

#include <bit>
#include <random>

namespace cppx::proxy {

RequestIds::RequestIds() {
  std::random_device device;
  for (auto& word : state_) word = std::uint64_t{device()} << 32 | device();
}

std::uint64_t RequestIds::random() noexcept {
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

std::string_view RequestIds::next() noexcept {
  constexpr char kDigits[] = "0123456789abcdef";
  std::size_t at = 0;
  for (int word = 0; word < 2; ++word) {
    std::uint64_t bits = random();
    for (int digit = 0; digit < 16; ++digit, bits >>= 4) text_[at++] = kDigits[bits & 15];
  }
  return {text_.data(), text_.size()};
}

std::string_view RequestIds::next_websocket_key() noexcept {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  constexpr std::size_t kDigitsOfKey = 22;  // 128 bits: the last digit carries two of them
  std::uint64_t bits = 0;
  for (std::size_t at = 0; at < kDigitsOfKey; ++at, bits >>= 6) {
    if (at % 10 == 0) bits = random();
    text_[at] = kDigits[at + 1 == kDigitsOfKey ? bits & 48 : bits & 63];
  }
  text_[kDigitsOfKey] = text_[kDigitsOfKey + 1] = '=';
  return {text_.data(), kDigitsOfKey + 2};
}

}  // namespace cppx::proxy
