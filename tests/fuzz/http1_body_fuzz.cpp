// A body behind its head: found in one piece and in several, framed anew, and compared with llhttp,
// which may take more than we do but must find the same data in what we take.
#include <llhttp.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/codec/http1/body_gather.h"
#include "proxy/codec/http1/body_reader.h"
#include "tests/fuzz/require.h"

namespace {

using cppx::proxy::http1::BodyFramer;
using cppx::proxy::http1::BodyGather;
using cppx::proxy::http1::BodyReader;
using cppx::routing::BodyFraming;
using cppx::test::require;
using Status = BodyReader::Status;

struct Body {
  std::string data;
  std::string trailers;
  std::size_t consumed = 0;
  Status status = Status::kNeedMore;
  bool operator==(const Body&) const = default;
};

Body read(std::string_view text, std::size_t step, BodyFraming framing, std::uint64_t length) {
  BodyReader reader;
  reader.start(framing, length);
  Body body;
  while (body.consumed < text.size()) {
    // Copied, so that a look beyond the piece is seen.
    const std::string piece(text.substr(body.consumed, step));
    std::size_t used = 0;
    do {
      const auto found = reader.next(std::string_view(piece).substr(used));
      require(found.consumed <= piece.size() - used, "uses no more than it was given");
      used += found.consumed;
      body.data += found.data;
      body.status = found.status;
    } while (body.status == Status::kData);
    body.consumed += used;
    if (body.status != Status::kNeedMore) break;
    require(used == piece.size(), "asks for more only when all is used up");
  }
  if (body.status == Status::kEnd) body.trailers = reader.trailers();
  require(
      (body.status == Status::kEnd) == reader.finished() || text.empty(),
      "knows that it is finished"
  );
  return body;
}

/// As it is framed for the other side.
std::string frame_anew(std::string_view text) {
  BodyReader reader;
  reader.start(BodyFraming::kChunked, 0);
  BodyGather gather;
  BodyFramer framer;
  std::string out;
  for (std::size_t used = 0;;) {
    const auto part = gather.gather(reader, text.substr(used));
    used += part.consumed;
    const BodyFramer::Body body{
        .pieces = part.pieces,
        .bytes = part.body_bytes,
        .end = part.status == Status::kEnd,
        .trailers = reader.trailers()
    };
    for (const iovec& piece : framer.frame({}, body, true))
      out.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
    if (part.status != Status::kData) return out;
  }
}

struct Other {
  std::string data;
  std::size_t end = 0;
  bool complete = false;
};

Other read_by_llhttp(std::string_view text) {
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string message = head + std::string(text);
  llhttp_settings_t settings;
  llhttp_settings_init(&settings);
  settings.on_body = [](llhttp_t* parser, const char* at, std::size_t size) {
    static_cast<Other*>(parser->data)->data.append(at, size);
    return 0;
  };
  settings.on_message_complete = [](llhttp_t* parser) {
    static_cast<Other*>(parser->data)->complete = true;
    return static_cast<int>(HPE_PAUSED);
  };
  Other other;
  llhttp_t parser;
  llhttp_init(&parser, HTTP_REQUEST, &settings);
  parser.data = &other;
  if (llhttp_execute(&parser, message.data(), message.size()) == HPE_PAUSED)
    other.end =
        static_cast<std::size_t>(llhttp_get_error_pos(&parser) - message.data()) - head.size();
  return other;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t step = 1 + data[0] % 32U;
  const std::string text(data + 1, data + size);
  const std::size_t all = std::max<std::size_t>(text.size(), 1);

  const std::uint64_t length = data[0];
  const Body fixed = read(text, all, BodyFraming::kLength, length);
  require(
      fixed == read(text, step, BodyFraming::kLength, length),
      "by length: pieces make no difference"
  );
  require(fixed.data == text.substr(0, length), "by length: the first bytes");
  require(read(text, step, BodyFraming::kUntilClose, 0).data == text, "until close: all bytes");

  const Body chunked = read(text, all, BodyFraming::kChunked, 0);
  Body pieces = read(text, step, BodyFraming::kChunked, 0);
  if (chunked.status == Status::kBad) pieces.consumed = chunked.consumed;
  require(chunked == pieces, "chunked: pieces make no difference");
  if (chunked.status != Status::kEnd) return 0;

  const Other other = read_by_llhttp(text);
  if (other.complete) {
    require(other.data == chunked.data, "chunked: the data llhttp finds");
    require(other.end == chunked.consumed, "chunked: the end llhttp finds");
  }
  const std::string framed = frame_anew(text);
  const Body again = read(framed, all, BodyFraming::kChunked, 0);
  require(
      again.status == Status::kEnd && again.consumed == framed.size(),
      "framed anew: a complete body"
  );
  require(
      again.data == chunked.data && again.trailers == chunked.trailers, "framed anew: the same body"
  );
  return 0;
}
