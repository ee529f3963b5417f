#include "controller/kube/api_client.h"

#include <algorithm>
#include <utility>

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/field.hpp>

#include "base/text.h"
#include "controller/dns/resolve_host.h"
#include "controller/kube/api_error.h"
#include "controller/kube/inflater.h"
#include "controller/kube/json_text.h"
#include "controller/kube/watch_event.h"

namespace cppx::controller {
namespace {

namespace http = boost::beast::http;
using nlohmann::json;

constexpr std::size_t kChunkBytes = 64UL * 1024;
constexpr std::uint32_t kHeadLimitBytes = 64U * 1024;
constexpr std::size_t kErrorBodyLimitBytes = 1024UL * 1024;
constexpr std::chrono::seconds kLongestHold{60};

std::string_view view(boost::beast::string_view text) noexcept {
  return {text.data(), text.size()};
}

void set_limits(Connection::Parser& parser) {
  parser.header_limit(kHeadLimitBytes);
  // Limited where the body is collected: a watch has no end.
  parser.body_limit(boost::none);
}

bool is_gzip(const Connection::Parser& parser) {
  return iequals(view(parser.get()[http::field::content_encoding]), "gzip");
}

ApiRequest with_body(http::verb method, std::string target, const json& body) {
  ApiRequest request{method, std::move(target), {}, "application/json"};
  if (!body.is_null()) request.body = body.dump(-1, ' ', false, json::error_handler_t::replace);
  return request;
}

}  // namespace

Result<json> to_json(const ApiResponse& response) {
  json body = parse_api_json(response.body);
  if (response.ok()) {
    if (body.is_discarded())
      return Error{Errc::kParse, ErrorSource::kUpstream, true, "the response body is not JSON"};
    // Said outright, as JSON converts to anything, also to an Error.
    return Result<json>(boost::system::in_place_value, std::move(body));
  }
  std::string message;
  if (body.is_object() && body.contains("message") && body["message"].is_string())
    message = body["message"].get<std::string>();
  return error_of_status(response.status, message);
}

WatchStream::WatchStream(std::unique_ptr<Connection> connection, std::size_t line_limit_bytes)
    : connection_(std::move(connection)), lines_(line_limit_bytes), chunk_(kChunkBytes) {
  set_limits(parser_);
}

Task<Result<std::optional<std::string_view>>> WatchStream::next(Connection::Deadline deadline) {
  for (;;) {
    if (const auto line = lines_.next()) co_return line;
    const auto received = co_await connection_->read_body(parser_, chunk_, deadline);
    if (!received) co_return received.error();
    if (*received == 0) co_return std::optional<std::string_view>();
    if (!inflater_) {
      lines_.feed({chunk_.data(), *received});
      continue;
    }
    inflated_.clear();
    const auto inflated = inflater_->feed({chunk_.data(), *received}, inflated_);
    if (!inflated) co_return inflated.error();
    lines_.feed(inflated_);
  }
}

Result<std::unique_ptr<ApiClient>> ApiClient::create(
    boost::asio::io_context& io, KubeConfig config, ApiClientOptions options
) {
  auto credentials = Credentials::open(std::move(config), Clock::now());
  if (!credentials) return credentials.error();
  return std::unique_ptr<ApiClient>(new ApiClient(io, std::move(*credentials), std::move(options)));
}

ApiClient::ApiClient(boost::asio::io_context& io, Credentials credentials, ApiClientOptions options)
    : executor_(io.get_executor()),
      credentials_(std::move(credentials)),
      options_(std::move(options)),
      resolver_(io, options_.resolver),
      list_gate_(executor_, options_.lists_at_once) {}

Task<Result<std::unique_ptr<Connection>>> ApiClient::connect() {
  const KubeConfig& config = credentials_.config();
  const auto now = Clock::now();
  const auto deadline = now + options_.connect_timeout;
  // A name server that does not answer for one family leaves time for the addresses of the other.
  const auto resolved_by = now + options_.connect_timeout / 2;
  ++resolving_;
  auto addresses =
      co_await dns::resolve_host(executor_, resolver_, config.server.host, resolved_by);
  // Given up, by the deadline or a cancellation: mute name servers are not waited for any longer.
  if (--resolving_ == 0) resolver_.cancel();
  if (!addresses) co_return addresses.error();
  ConnectionTarget target;
  for (const auto& address : *addresses) target.endpoints.emplace_back(address, config.server.port);
  target.tls = credentials_.tls_context(Clock::now());
  target.server_name = config.tls_server_name.empty() ? config.server.host : config.tls_server_name;
  auto connection = co_await Connection::open(
      executor_, std::move(target), deadline, deadline + options_.tls_timeout
  );
  co_return connection;
}

Connection::Request ApiClient::make_request(const ApiRequest& request) {
  const KubeConfig& config = credentials_.config();
  Connection::Request message(request.method, config.server.path + request.target, 11);
  message.set(http::field::host, config.server.authority());
  message.set(http::field::user_agent, "cppx/" CPPX_VERSION);
  message.set(http::field::accept, "application/json");
  message.set(http::field::accept_encoding, "gzip");
  if (const std::string& token = credentials_.token(Clock::now()); !token.empty())
    message.set(http::field::authorization, "Bearer " + token);
  if (!request.body.empty()) {
    message.set(http::field::content_type, request.content_type);
    message.body() = request.body;
  }
  message.prepare_payload();
  return message;
}

ApiResponse ApiClient::head_of(const Connection::Parser& parser) {
  ApiResponse response;
  const auto& head = parser.get();
  response.status = head.result_int();
  // Delay in seconds only (RFC 9110 section 10.2.3): the API server sends no dates.
  if (const auto seconds = parse_int<std::uint32_t>(trim(view(head[http::field::retry_after]))))
    response.retry_after = std::chrono::seconds(*seconds);
  if (response.status == 401) credentials_.expire();
  if (response.retry_after && (response.status == 429 || response.status == 503))
    list_gate_.hold_until(Clock::now() + std::min(*response.retry_after, kLongestHold));
  return response;
}

Task<Result<void>> ApiClient::read_whole_body(
    Connection& connection, Connection::Parser& parser, std::string& body
) {
  const std::size_t limit =
      parser.get().result_int() == 200 ? options_.body_limit_bytes : kErrorBodyLimitBytes;
  std::optional<Inflater> inflater;
  if (is_gzip(parser)) inflater.emplace(limit);
  std::vector<char> chunk(kChunkBytes);
  for (;;) {
    const auto deadline = Clock::now() + options_.request_timeout;
    const auto received = co_await connection.read_body(parser, chunk, deadline);
    if (!received) co_return received.error();
    if (*received == 0) break;
    const std::string_view bytes(chunk.data(), *received);
    if (!inflater) {
      body += bytes;
    } else if (auto fed = inflater->feed(bytes, body); !fed) {
      co_return fed.error();
    }
    if (body.size() > limit)
      co_return Error{
          Errc::kTooLarge, ErrorSource::kUpstream, false, "the response body is larger than allowed"
      };
  }
  if (inflater && !inflater->finished() && !body.empty())
    co_return Error{Errc::kParse, ErrorSource::kUpstream, true, "the gzip body is cut"};
  co_return Result<void>{};
}

Task<Result<ApiResponse>> ApiClient::exchange(
    Connection& connection, ApiRequest request, bool& reusable
) {
  const auto deadline = Clock::now() + options_.request_timeout;
  auto message = make_request(request);
  const auto written = co_await connection.write(message, deadline);
  // A server may answer and close before it has read everything: its answer counts.
  if (!written && written.error().code != Errc::kClosed) co_return written.error();
  Connection::Parser parser;
  set_limits(parser);
  const auto head = co_await connection.read_head(parser, deadline);
  if (!head) co_return head.error();
  ApiResponse response = head_of(parser);
  const auto body = co_await read_whole_body(connection, parser, response.body);
  if (!body) co_return body.error();
  reusable = written.has_value() && parser.keep_alive();
  co_return response;
}

bool ApiClient::is_outdated(unsigned status, const std::string& token) {
  return status == 401 && credentials_.token(Clock::now()) != token;
}

Task<Result<ApiResponse>> ApiClient::send(ApiRequest request) {
  const std::string token = credentials_.token(Clock::now());
  auto response = co_await send_with_credentials(request);
  if (!response || !is_outdated(response->status, token)) co_return response;
  response = co_await send_with_credentials(request);
  co_return response;
}

Task<Result<ApiResponse>> ApiClient::send_with_credentials(const ApiRequest& request) {
  const bool repeatable = request.method != http::verb::post;
  auto connection = take_idle();
  bool reused = connection != nullptr;
  for (;;) {
    if (!connection) {
      auto opened = co_await connect();
      if (!opened) co_return opened.error();
      connection = std::move(*opened);
    }
    if (request.allowed && !request.allowed()) {
      give_back(std::move(connection));
      co_return Error{
          Errc::kCancelled, ErrorSource::kInternal, false, "not allowed any more before it was sent"
      };
    }
    bool reusable = false;
    auto response = co_await exchange(*connection, request, reusable);
    if (response) {
      if (reusable) give_back(std::move(connection));
      co_return response;
    }
    // The server may close a connection that it thinks idle at any time.
    connection.reset();
    if (!reused || !repeatable || response.error().code != Errc::kClosed) co_return response;
    reused = false;
    idle_.clear();
  }
}

Task<Result<WatchOpening>> ApiClient::watch(std::string target) {
  const std::string token = credentials_.token(Clock::now());
  auto opening = co_await open_watch(target);
  if (!opening || !is_outdated(opening->response.status, token)) co_return opening;
  opening = co_await open_watch(target);
  co_return opening;
}

Task<Result<WatchOpening>> ApiClient::open_watch(const std::string& target) {
  auto opened = co_await connect();
  if (!opened) co_return opened.error();
  const auto deadline = Clock::now() + options_.request_timeout;
  auto stream = std::make_unique<WatchStream>(std::move(*opened), options_.watch_line_limit_bytes);
  auto message = make_request(ApiRequest{http::verb::get, target, {}, {}});
  const auto written = co_await stream->connection_->write(message, deadline);
  if (!written) co_return written.error();
  const auto head = co_await stream->connection_->read_head(stream->parser_, deadline);
  if (!head) co_return head.error();
  WatchOpening opening;
  opening.response = head_of(stream->parser_);
  if (opening.response.status == 200) {
    if (is_gzip(stream->parser_)) stream->inflater_.emplace(options_.body_limit_bytes);
    opening.stream = std::move(stream);
    co_return opening;
  }
  const auto body =
      co_await read_whole_body(*stream->connection_, stream->parser_, opening.response.body);
  if (!body) co_return body.error();
  co_return opening;
}

Task<Result<json>> ApiClient::send_for_json(ApiRequest request) {
  const auto response = co_await send(std::move(request));
  if (!response) co_return response.error();
  co_return to_json(*response);
}

Task<Result<json>> ApiClient::get(std::string target) {
  return send_for_json(ApiRequest{http::verb::get, std::move(target), {}, {}});
}

Task<Result<json>> ApiClient::post(std::string target, json body) {
  return send_for_json(with_body(http::verb::post, std::move(target), body));
}

Task<Result<json>> ApiClient::put(std::string target, json body) {
  return send_for_json(with_body(http::verb::put, std::move(target), body));
}

Task<Result<json>> ApiClient::patch(std::string target, json body, PatchType type) {
  auto request = with_body(http::verb::patch, std::move(target), body);
  request.content_type = type == PatchType::kMerge ? "application/merge-patch+json"
                                                   : "application/strategic-merge-patch+json";
  return send_for_json(std::move(request));
}

Task<Result<json>> ApiClient::remove(std::string target, json options) {
  return send_for_json(with_body(http::verb::delete_, std::move(target), options));
}

std::unique_ptr<Connection> ApiClient::take_idle() {
  const auto oldest = Clock::now() - options_.idle_timeout;
  std::erase_if(idle_, [oldest](const auto& connection) {
    return connection->idle_since < oldest;
  });
  if (idle_.empty()) return nullptr;
  auto connection = std::move(idle_.back());
  idle_.pop_back();
  return connection;
}

void ApiClient::give_back(std::unique_ptr<Connection> connection) {
  if (idle_.size() >= options_.idle_connections) return;
  connection->idle_since = Clock::now();
  idle_.push_back(std::move(connection));
}

}  // namespace cppx::controller
