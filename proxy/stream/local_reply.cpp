#include "proxy/stream/local_reply.h"

#include <array>

#include "proxy/codec/http1/head_writer.h"
#include "proxy/worker/worker.h"

namespace cppx::proxy {
namespace {

constexpr std::chrono::seconds kWriteTimeout{10};
constexpr std::size_t kMaxBody = 512;

std::string_view write_page(std::span<char> memory, std::uint16_t status, std::string_view note) {
  http1::HeadBuffer page(memory);
  const auto title = [&] {
    page.append_number(status);
    page.append(" ");
    page.append(reason_phrase(status));
  };
  page.append("<html>\r\n<head><title>");
  title();
  page.append("</title></head>\r\n<body>\r\n<center><h1>");
  title();
  page.append("</h1></center>\r\n");
  if (!note.empty()) {
    page.append("<center>");
    page.append(note);
    page.append("</center>\r\n");
  }
  page.append("<hr><center>cppx</center>\r\n</body>\r\n</html>\r\n");
  return page.text();
}

Task<bool> write_reply(
    Worker& worker, Downstream& downstream, LocalReply reply, std::string_view note
) {
  Buffer memory = worker.buffers().take_large();
  const std::span<char> body_memory{memory.data(), kMaxBody};
  const std::string_view body =
      reply.empty_body ? std::string_view{} : write_page(body_memory, reply.status, note);
  http1::HeadBuffer out({memory.data() + kMaxBody, memory.size() - kMaxBody});
  out.append("HTTP/1.1 ");
  out.append_number(reply.status);
  out.append(" ");
  out.append(reason_phrase(reply.status));
  out.append("\r\n");
  out.field("Date", worker.date());
  if (!body.empty()) out.field("Content-Type", "text/html");
  out.append("Content-Length: ");
  out.append_number(body.size());
  out.append("\r\n");
  if (!reply.location.empty()) out.field("Location", reply.location);
  if (!reply.strict_transport_security.empty())
    out.field("Strict-Transport-Security", reply.strict_transport_security);
  out.append(reply.keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n");
  if (!reply.head_method) out.append(body);
  ++worker.counters().responses[reply.status / 100U];
  const std::string_view text = out.text();
  iovec piece{
      .iov_base = const_cast<char*>(text.data()), .iov_len = text.size()
  };  // NOLINT: only read
  const auto written = co_await downstream.transport.write_all({&piece, 1}, kWriteTimeout);
  co_return written.ok();
}

}  // namespace

std::string_view reason_phrase(std::uint16_t status) noexcept {
  switch (status) {
    case 200:
      return "OK";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Not Allowed";
    case 408:
      return "Request Time-out";
    case 413:
      return "Request Entity Too Large";
    case 414:
      return "Request-URI Too Large";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Temporarily Unavailable";
    case 504:
      return "Gateway Time-out";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Error";
  }
}

Task<bool> write_local_reply(Worker& worker, Downstream& downstream, LocalReply reply) {
  return write_reply(worker, downstream, reply, {});
}

Task<void> write_error_and_close(Worker& worker, Downstream& downstream, std::uint16_t status) {
  co_await write_reply(worker, downstream, {.status = status}, {});
}

Task<void> write_plain_on_tls_reply(Worker& worker, Downstream& downstream) {
  co_await write_reply(
      worker, downstream, {.status = 400}, "The plain HTTP request was sent to HTTPS port"
  );
}

}  // namespace cppx::proxy
