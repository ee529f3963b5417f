#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <string_view>

#include "bench/micro/benches.h"
#include "bench/micro/measure.h"
#include "proxy/codec/http1/head_parser.h"
#include "proxy/codec/http1/head_validator.h"
#include "proxy/codec/http1/head_writer.h"
#include "routing/http/message.h"

namespace cppx::bench {
namespace {

using proxy::http1::HeadBuffer;
using proxy::http1::HeadParser;

constexpr std::size_t kSteps = 200'000;

constexpr std::string_view kSmall = "GET /1024 HTTP/1.1\r\nHost: www.example.com\r\n\r\n";

constexpr std::string_view kBrowser =
    "GET /api/v1/users/17/orders?page=2 HTTP/1.1\r\n"
    "Host: shop.example.com\r\n"
    "Connection: keep-alive\r\n"
    "sec-ch-ua: \"Chromium\";v=\"130\", \"Not?A_Brand\";v=\"99\"\r\n"
    "sec-ch-ua-mobile: ?0\r\n"
    "sec-ch-ua-platform: \"Linux\"\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/130.0.0.0 Safari/537.36\r\n"
    "Accept: "
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    "Sec-Fetch-Site: same-origin\r\n"
    "Sec-Fetch-Mode: navigate\r\n"
    "Sec-Fetch-Dest: document\r\n"
    "Referer: https://shop.example.com/api/v1/users/17\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Accept-Language: en-US,en;q=0.9\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=yes\r\n\r\n";

constexpr std::string_view kResponse =
    "HTTP/1.1 200 OK\r\n"
    "Server: backend\r\n"
    "Date: Tue, 15 Nov 1994 08:12:31 GMT\r\n"
    "Content-Type: application/json\r\n"
    "Cache-Control: no-cache\r\n"
    "Vary: Accept-Encoding\r\n"
    "Content-Length: 1024\r\n\r\n";

template <class Step>
void report(std::string_view what, std::string_view head, const Step& step) {
  const double ns = nanoseconds_per_step(kSteps, [&](std::size_t i, std::size_t end) {
    for (; i < end; ++i) step();
  });
  fmt::print("{} ({} bytes): {:.1f} ns\n", what, head.size(), ns);
}

void bench_request(std::string_view name, std::string_view text) {
  HeadParser parser(HeadParser::Kind::kRequest);
  routing::RequestHead head;
  report(fmt::format("parse and validate, {}", name), text, [&] {
    parser.reset();
    head.clear();
    keep(text);
    keep(parser.parse(text));
    keep(proxy::http1::validate_request(parser, text, head));
  });
  std::array<char, 4096> memory;
  report(fmt::format("write, {}", name), text, [&] {
    HeadBuffer out(memory);
    write_request_head(
        out, head,
        {.client_address = "192.0.2.1",
         .scheme = "https",
         .port = "443",
         .request_id = "0123456789abcdef0123456789abcdef"}
    );
    keep(out.text());
  });
}

void bench_response() {
  HeadParser parser(HeadParser::Kind::kResponse);
  routing::ResponseHead head;
  report("parse and validate, response", kResponse, [&] {
    parser.reset();
    head.clear();
    keep(kResponse);
    keep(parser.parse(kResponse));
    keep(proxy::http1::validate_response(parser, kResponse, false, head));
  });
  std::array<char, 4096> memory;
  report("write, response", kResponse, [&] {
    HeadBuffer out(memory);
    write_response_head(out, head, {.date = "Tue, 15 Nov 1994 08:12:31 GMT"});
    keep(out.text());
  });
}

}  // namespace

void bench_heads() {
  bench_request("small request", kSmall);
  bench_request("browser's request", kBrowser);
  bench_response();
}

}  // namespace cppx::bench
