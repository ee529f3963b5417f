#include "routing/balance/sip_hash.h"

#include <bit>
#include <cstdint>

namespace cppx::routing {

SipHash::SipHash(const SipKey& key) noexcept
    : v0_(key.low ^ 0x736f6d6570736575ULL),
      v1_(key.high ^ 0x646f72616e646f6dULL),
      v2_(key.low ^ 0x6c7967656e657261ULL),
      v3_(key.high ^ 0x7465646279746573ULL) {}

void SipHash::round() noexcept {
  v0_ += v1_;
  v2_ += v3_;
  v1_ = std::rotl(v1_, 13) ^ v0_;
  v3_ = std::rotl(v3_, 16) ^ v2_;
  v0_ = std::rotl(v0_, 32);
  v2_ += v1_;
  v0_ += v3_;
  v1_ = std::rotl(v1_, 17) ^ v2_;
  v3_ = std::rotl(v3_, 21) ^ v0_;
  v2_ = std::rotl(v2_, 32);
}

void SipHash::compress(std::uint64_t word) noexcept {
  v3_ ^= word;
  round();
  round();
  v0_ ^= word;
}

void SipHash::push(std::uint8_t byte) noexcept {
  tail_ |= std::uint64_t{byte} << (8 * (size_ & 7));
  ++size_;
  if ((size_ & 7) != 0) return;
  compress(tail_);
  tail_ = 0;
}

std::uint64_t SipHash::finish() const noexcept {
  SipHash end = *this;
  end.compress(tail_ | size_ << 56);
  end.v2_ ^= 0xff;
  for (int i = 0; i < 4; ++i) end.round();
  return end.v0_ ^ end.v1_ ^ end.v2_ ^ end.v3_;
}

}  // namespace cppx::routing
