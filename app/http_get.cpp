#include "app/http_get.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio.hpp>
#include <boost/beast.hpp>

#include "app/await.h"
#include "base/error.h"
#include "controller/kube/url.h"

namespace cppx::app {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;

constexpr std::uint64_t kMostBytes = std::uint64_t{256} * 1024 * 1024;

struct Exchange {
  controller::ServerUrl url;
  std::string target;
  std::chrono::seconds at_most;
  boost::system::error_code error;
  HttpAnswer answer;
};

asio::awaitable<void> run(Exchange& exchange) {
  const auto executor = co_await asio::this_coro::executor;
  beast::tcp_stream stream(executor);
  stream.expires_after(exchange.at_most);
  tcp::resolver resolver(executor);
  const auto [resolve_error, places] =
      co_await resolver.async_resolve(exchange.url.host, std::to_string(exchange.url.port), kAwait);
  exchange.error = resolve_error;
  if (resolve_error) co_return;
  const auto [connect_error, place] = co_await stream.async_connect(places, kAwait);
  exchange.error = connect_error;
  if (connect_error) co_return;
  http::request<http::empty_body> request(http::verb::get, exchange.target, 11);
  request.set(http::field::host, exchange.url.authority());
  request.set(http::field::connection, "close");
  const auto [write_error, written] = co_await http::async_write(stream, request, kAwait);
  exchange.error = write_error;
  if (write_error) co_return;
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(kMostBytes);
  const auto [read_error, read] = co_await http::async_read(stream, buffer, parser, kAwait);
  exchange.error = read_error;
  if (read_error) co_return;
  exchange.answer.status = parser.get().result_int();
  exchange.answer.body = std::move(parser.get().body());
}

}  // namespace

Result<HttpAnswer> http_get(
    const std::string& server, const std::string& target, std::chrono::seconds at_most
) {
  const auto url = controller::parse_server_url(server);
  if (!url) return url.error();
  if (url->tls) return config_error(Errc::kInvalidArgument, fmt::format("{}: only http", server));
  asio::io_context io{1};
  Exchange exchange{
      .url = *url, .target = url->path + target, .at_most = at_most, .error = {}, .answer = {}
  };
  asio::co_spawn(io, run(exchange), asio::detached);
  io.run();
  if (exchange.error)
    return config_error(Errc::kIo, fmt::format("{}: {}", server, exchange.error.message()));
  return std::move(exchange.answer);
}

}  // namespace cppx::app
