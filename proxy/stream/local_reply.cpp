#include "proxy/stream/local_reply.h"

#include "proxy/codec/http1/head_writer.h"
#include "proxy/codec/http1/reason.h"

namespace cppx::proxy {
namespace {

constexpr std::size_t kMaxPage = 512;

void write_title(http1::HeadBuffer& page, std::uint16_t status) {
  page.append_number(status);
  page.append(" ");
  page.append(reason_phrase(status));
}

}  // namespace

std::string_view local_reply_page(std::span<char> memory, const LocalReply& reply) {
  if (reply.empty_body) return {};
  http1::HeadBuffer page(memory);
  page.append("<html>\r\n<head><title>");
  write_title(page, reply.status);
  page.append("</title></head>\r\n<body>\r\n<center><h1>");
  write_title(page, reply.status);
  page.append("</h1></center>\r\n");
  if (!reply.note.empty()) {
    page.append("<center>");
    page.append(reply.note);
    page.append("</center>\r\n");
  }
  page.append("<hr><center>cppx</center>\r\n</body>\r\n</html>\r\n");
  return page.text();
}

std::string_view local_reply_text(
    std::span<char> memory, const LocalReply& reply, const LocalReplyFraming& framing
) {
  const std::string_view page = local_reply_page(memory.first(kMaxPage), reply);
  http1::HeadBuffer out(memory.subspan(kMaxPage));
  out.append("HTTP/1.1 ");
  write_title(out, reply.status);
  out.append("\r\n");
  out.field("Date", framing.date);
  if (!page.empty()) out.field("Content-Type", "text/html");
  out.append("Content-Length: ");
  out.append_number(page.size());
  out.append("\r\n");
  if (!reply.location.empty()) out.field("Location", reply.location);
  if (!reply.strict_transport_security.empty())
    out.field("Strict-Transport-Security", reply.strict_transport_security);
  out.append(framing.keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n");
  if (!framing.head_method) out.append(page);
  return out.text();
}

std::size_t head_bytes(std::string_view reply_text) noexcept {
  constexpr std::string_view kEnd = "\r\n\r\n";
  return reply_text.find(kEnd) + kEnd.size();
}

std::string_view reason_phrase(std::uint16_t status) noexcept {
  // As nginx says it, where that is not what the registry has.
  switch (status) {
    case 405:
      return "Not Allowed";
    case 408:
      return "Request Time-out";
    case 413:
      return "Request Entity Too Large";
    case 414:
      return "Request-URI Too Large";
    case 503:
      return "Service Temporarily Unavailable";
    case 504:
      return "Gateway Time-out";
    default:
      break;
  }
  const std::string_view registered = http1::registered_reason(status);
  return registered.empty() ? std::string_view("Error") : registered;
}

}  // namespace cppx::proxy
