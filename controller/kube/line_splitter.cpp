#include "controller/kube/line_splitter.h"

namespace cppx::controller {

void LineSplitter::feed(std::string_view bytes) {
  compact();
  buffer_ += bytes;
}

std::optional<std::string_view> LineSplitter::next() {
  for (;;) {
    const auto end = buffer_.find('\n', scanned_);
    if (end == std::string::npos) {
      scanned_ = buffer_.size();
      if (!dropping_ && buffer_.size() - start_ > limit_bytes_) {
        dropping_ = true;
        ++dropped_;
      }
      if (dropping_) start_ = scanned_;
      return std::nullopt;
    }
    std::string_view line(buffer_.data() + start_, end - start_);
    start_ = scanned_ = end + 1;
    if (dropping_) {
      dropping_ = false;
      continue;
    }
    if (line.size() > limit_bytes_) {
      ++dropped_;
      continue;
    }
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) return line;
  }
}

void LineSplitter::compact() {
  if (start_ == 0) return;
  buffer_.erase(0, start_);
  scanned_ -= start_;
  start_ = 0;
  if (buffer_.empty() && buffer_.capacity() > 64UL * 1024) buffer_.shrink_to_fit();
}

}  // namespace cppx::controller
