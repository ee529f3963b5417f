#include "proxy/codec/http1/body_gather.h"

#include "proxy/codec/http1/head_writer.h"

namespace cppx::proxy::http1 {

BodyGather::Result BodyGather::gather(BodyReader& reader, std::string_view input) {
  Result result;
  std::size_t count = 0;
  // A length body or one until close is one piece; asking again would only say that it is used up.
  while (count < kMaxPieces) {
    const auto step = reader.next(input.substr(result.consumed));
    result.consumed += step.consumed;
    result.status = step.status;
    if (step.status != BodyReader::Status::kData) break;
    result.body_bytes += step.data.size();
    pieces_[count++] = {
        .iov_base = const_cast<char*>(step.data.data()),  // NOLINT: only ever written out
        .iov_len = step.data.size()
    };
  }
  result.pieces = {pieces_.data(), count};
  return result;
}

void BodyFramer::push(std::string_view text) noexcept {
  if (text.empty()) return;
  pieces_[count_++] = {
      .iov_base = const_cast<char*>(text.data()),  // NOLINT: only ever written out
      .iov_len = text.size()
  };
}

std::span<iovec> BodyFramer::frame(std::string_view head, const Body& body, bool chunked) {
  count_ = 0;
  push(head);
  if (chunked && body.bytes != 0)
    push({size_line_.data(), write_chunk_size(size_line_, body.bytes)});
  for (const iovec& piece : body.pieces) pieces_[count_++] = piece;
  if (chunked && body.bytes != 0) push("\r\n");
  if (chunked && body.end) {
    push("0\r\n");
    push(body.trailers);
    push("\r\n");
  }
  return {pieces_.data(), count_};
}

}  // namespace cppx::proxy::http1
