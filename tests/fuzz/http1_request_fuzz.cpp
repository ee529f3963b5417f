// A request head: read in one piece and in several, judged, and written for the backend. What the
// backend gets must read as the same request, whatever the client sent.
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
using cppx::routing::HeaderField;
using cppx::routing::HeaderId;
using cppx::routing::RequestHead;
using cppx::test::refused;
using cppx::test::require;

/// By the proxy, at most; those of a WebSocket over HTTP/2 aside.
constexpr std::size_t kFieldsAdded = 14;

struct Judged {
  HeadParser::Status status = HeadParser::Status::kNeedMore;
  std::size_t head_bytes = 0;
  std::uint16_t refused = 0;
  RequestHead head;
};

void judge(std::string_view text, std::size_t step, Judged& out) {
  HeadParser parser(HeadParser::Kind::kRequest);
  std::unique_ptr<std::string> buffer;  // a new one for each piece: the parser may keep no pointer
  for (std::size_t size = std::min(step, text.size());; size = std::min(size + step, text.size())) {
    buffer = std::make_unique<std::string>(text.substr(0, size));
    out.status = parser.parse(*buffer);
    if (out.status != HeadParser::Status::kNeedMore || size == text.size()) break;
  }
  if (out.status != HeadParser::Status::kDone) return;
  out.head_bytes = parser.head_bytes();
  require(out.head_bytes <= text.size(), "the head lies in the buffer");
  out.refused = validate_request(parser, text.substr(0, out.head_bytes), out.head);
}

void require_same(const Judged& whole, const Judged& pieces) {
  require(refused(whole.status) == refused(pieces.status), "pieces: refused or not");
  if (refused(whole.status)) return;
  require(whole.status == pieces.status, "pieces: same status");
  require(whole.head_bytes == pieces.head_bytes, "pieces: same end");
  require(whole.refused == pieces.refused, "pieces: same judgement");
  if (whole.status != HeadParser::Status::kDone || whole.refused != 0) return;
  require(whole.head.target == pieces.head.target, "pieces: same target");
  require(whole.head.host == pieces.head.host, "pieces: same host");
  require(whole.head.fields.size() == pieces.head.fields.size(), "pieces: same fields");
}

std::size_t count(const RequestHead& head, HeaderId id) {
  std::size_t found = 0;
  for (const HeaderField& field : head.fields)
    if (field.id == id) ++found;
  return found;
}

void require_request_of_backend(const RequestHead& client, std::string_view sent) {
  require(sent.find("\r\n\r\n") == sent.size() - 4, "one head, ended once");
  Judged backend;
  judge(sent, sent.size(), backend);
  // Up to kMaxHeaderFields of the client's and the proxy's own: more than this parser takes.
  if (backend.status == HeadParser::Status::kTooManyFields) {
    require(client.fields.size() + kFieldsAdded > cppx::routing::kMaxHeaderFields, "few are added");
    return;
  }
  require(
      backend.status == HeadParser::Status::kDone, "the backend can read it: " + std::string(sent)
  );
  require(backend.refused == 0, "and finds nothing wrong with it: " + std::string(sent));
  require(backend.head_bytes == sent.size(), "and nothing behind it");
  const RequestHead& head = backend.head;
  const std::string target =
      (client.target.starts_with('?') ? "/" : "") + std::string(client.target);
  require(head.method == client.method && head.target == target, "same method and target");
  require(head.host == (client.host.empty() ? "_" : client.host), "same host");
  require(
      head.framing == client.framing && head.content_length == client.content_length, "same body"
  );
  require(head.minor_version == 1, "HTTP/1.1");
  require(head.upgrade == client.upgrade, "upgrade is asked for by the client alone");
  for (const HeaderId id :
       {HeaderId::kXRealIp, HeaderId::kXForwardedFor, HeaderId::kXForwardedHost,
        HeaderId::kXForwardedProto, HeaderId::kXRequestId, HeaderId::kHost})
    require(count(head, id) == 1, "what the proxy says is said once");
  for (const HeaderId id :
       {HeaderId::kKeepAlive, HeaderId::kTe, HeaderId::kExpect, HeaderId::kProxy,
        HeaderId::kProxyConnection})
    require(count(head, id) == 0, "fields between client and proxy stay there");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 16 * 1024) return 0;
  const std::string text(data + 1, data + size);
  const auto whole = std::make_unique<Judged>();
  judge(text, std::max<std::size_t>(text.size(), 1), *whole);
  const auto pieces = std::make_unique<Judged>();
  judge(text, 1 + data[0] % 32U, *pieces);
  require_same(*whole, *pieces);
  if (whole->status != HeadParser::Status::kDone || whole->refused != 0) return 0;
  require(whole->head.path.starts_with('/'), "origin form");

  std::vector<char> memory(64 * 1024);
  HeadBuffer out({memory.data(), memory.size()});
  write_request_head(
      out, whole->head,
      {.client_address = "192.0.2.1",
       .scheme = "https",
       .port = "443",
       .request_id = "0123456789abcdef"}
  );
  require(out.ok(), "a head of 16 KiB fits into 64 KiB");
  require_request_of_backend(whole->head, out.text());
  return 0;
}
