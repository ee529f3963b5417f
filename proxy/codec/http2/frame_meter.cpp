#include "proxy/codec/http2/frame_meter.h"

#include <algorithm>
#include <cstddef>
#include <span>

namespace cppx::proxy::http2 {

FrameMeter::Part FrameMeter::next(std::span<const char> bytes) noexcept {
  Part part;
  if (left_ == 0) {
    while (head_bytes_ < kHeadBytes && part.bytes < bytes.size())
      head_[head_bytes_++] = static_cast<unsigned char>(bytes[part.bytes++]);
    if (head_bytes_ < kHeadBytes) return part;
    head_bytes_ = 0;
    left_ = static_cast<std::size_t>(head_[0]) << 16U | static_cast<std::size_t>(head_[1]) << 8U |
            head_[2];
    part.begins = true;
    part.payload_bytes = static_cast<std::uint32_t>(left_);
    part.type = head_[3];
    part.flags = head_[4];
    part.stream = static_cast<std::int32_t>(
        (head_[5] & 0x7fU) << 24U | static_cast<std::uint32_t>(head_[6]) << 16U |
        static_cast<std::uint32_t>(head_[7]) << 8U | head_[8]
    );
  }
  const std::size_t more = std::min(left_, bytes.size() - part.bytes);
  left_ -= more;
  part.bytes += more;
  return part;
}

}  // namespace cppx::proxy::http2
