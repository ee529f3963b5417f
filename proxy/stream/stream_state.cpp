#include "proxy/stream/stream_state.h"

#include "proxy/codec/http1/head_writer.h"

namespace cppx::proxy {

void BodyGather::push(std::string_view text) noexcept {
  if (text.empty()) return;
  pieces_[count_++] = {
      .iov_base = const_cast<char*>(text.data()),  // NOLINT: only ever written out
      .iov_len = text.size()
  };
}

BodyGather::Result BodyGather::gather(
    http1::BodyReader& reader, std::string_view input, bool chunked, std::string_view lead
) {
  using Status = http1::BodyReader::Status;
  Result result;
  count_ = 0;
  push(lead);
  std::size_t lines = 0;
  // Room for one more data piece with its framing, and the last chunk with trailers.
  while (count_ + 6 <= kMaxPieces && lines < size_lines_.size()) {
    const auto step = reader.next(input.substr(result.consumed));
    result.consumed += step.consumed;
    result.status = step.status;
    if (step.status != Status::kData) break;
    result.body_bytes += step.data.size();
    if (chunked) {
      auto& line = size_lines_[lines++];
      push({line.data(), http1::write_chunk_size(line, step.data.size())});
    }
    push(step.data);
    if (chunked) push("\r\n");
  }
  if (result.status == Status::kEnd && chunked) {
    push("0\r\n");
    push(reader.trailers());
    push("\r\n");
  }
  result.pieces = {pieces_.data(), count_};
  return result;
}

}  // namespace cppx::proxy
