// A response head: read in one piece and in several, judged, and written for the client.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/codec/http1/head_parser.h"
#include "proxy/codec/http1/head_validator.h"
#include "proxy/codec/http1/head_writer.h"
#include "tests/fuzz/refused.h"
#include "tests/fuzz/require.h"

namespace {

using cppx::proxy::http1::HeadBuffer;
using cppx::proxy::http1::HeadParser;
using cppx::routing::BodyFraming;
using cppx::routing::ResponseHead;
using cppx::test::refused;
using cppx::test::require;

/// By the proxy, at most: Date, Connection and what frames the body.
constexpr std::size_t kFieldsAdded = 3;

struct Judged {
  HeadParser::Status status = HeadParser::Status::kNeedMore;
  std::size_t head_bytes = 0;
  bool accepted = false;
  ResponseHead head;
};

void judge(std::string_view text, std::size_t step, bool to_head, Judged& out) {
  HeadParser parser(HeadParser::Kind::kResponse);
  std::unique_ptr<std::string> buffer;  // a new one for each piece: the parser may keep no pointer
  for (std::size_t size = std::min(step, text.size());; size = std::min(size + step, text.size())) {
    buffer = std::make_unique<std::string>(text.substr(0, size));
    out.status = parser.parse(*buffer);
    if (out.status != HeadParser::Status::kNeedMore || size == text.size()) break;
  }
  if (out.status != HeadParser::Status::kDone) return;
  out.head_bytes = parser.head_bytes();
  require(out.head_bytes <= text.size(), "the head lies in the buffer");
  out.accepted = validate_response(parser, text.substr(0, out.head_bytes), to_head, out.head);
}

void require_response_of_client(
    const ResponseHead& backend, bool to_head, bool chunked, std::string_view sent
) {
  require(sent.find("\r\n\r\n") == sent.size() - 4, "one head, ended once");
  Judged client;
  judge(sent, sent.size(), to_head, client);
  if (client.status == HeadParser::Status::kTooManyFields) {
    require(
        backend.fields.size() + kFieldsAdded > cppx::routing::kMaxHeaderFields, "few are added"
    );
    return;
  }
  require(
      client.status == HeadParser::Status::kDone && client.accepted,
      "the client can read it: " + std::string(sent)
  );
  require(client.head_bytes == sent.size(), "and nothing behind it");
  require(client.head.status == backend.status, "same status");
  require(
      client.head.framing == (chunked ? BodyFraming::kChunked : backend.framing),
      "a body of unknown length comes in chunks"
  );
  if (backend.framing == BodyFraming::kLength)
    require(client.head.content_length == backend.content_length, "same length");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 16 * 1024) return 0;
  const bool to_head = (data[0] & 0x20) != 0;
  const std::string text(data + 1, data + size);
  const auto whole = std::make_unique<Judged>();
  judge(text, std::max<std::size_t>(text.size(), 1), to_head, *whole);
  const auto pieces = std::make_unique<Judged>();
  judge(text, 1 + data[0] % 32U, to_head, *pieces);
  require(refused(whole->status) == refused(pieces->status), "pieces: refused or not");
  if (refused(whole->status)) return 0;
  require(
      whole->status == pieces->status && whole->head_bytes == pieces->head_bytes, "pieces: same end"
  );
  require(whole->accepted == pieces->accepted, "pieces: same judgement");
  if (!whole->accepted) return 0;
  const ResponseHead& head = whole->head;
  require(head.status >= 100 && head.status <= 599, "a status that exists");

  std::vector<char> memory(64 * 1024);
  HeadBuffer out({memory.data(), memory.size()});
  if (head.status < 200) {
    if (head.status == 101) return 0;
    write_interim_head(out, head);
    require_response_of_client(head, to_head, false, out.text());
    return 0;
  }
  const bool chunked =
      head.framing == BodyFraming::kChunked || head.framing == BodyFraming::kUntilClose;
  write_response_head(
      out, head,
      {.chunked = chunked, .date = "Thu, 01 Jan 1970 00:00:00 GMT", .strict_transport_security = {}}
  );
  require(out.ok(), "a head of 16 KiB fits into 64 KiB");
  require_response_of_client(head, to_head, chunked, out.text());
  return 0;
}
