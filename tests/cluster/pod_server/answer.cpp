#include "tests/cluster/pod_server/answer.h"

#include <charconv>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

namespace cppx::pod_server {
namespace http = boost::beast::http;

Response answer_of_pod(
    const Request& request, const boost::asio::ip::tcp::endpoint& local,
    const boost::asio::ip::tcp::endpoint& peer
) {
  nlohmann::json headers = nlohmann::json::array();
  for (const auto& field : request)
    headers.push_back({std::string(field.name_string()), std::string(field.value())});
  const nlohmann::json seen = {
      {"pod", local.address().to_string()},      {"port", local.port()},
      {"peer", peer.address().to_string()},      {"method", std::string(request.method_string())},
      {"target", std::string(request.target())}, {"headers", std::move(headers)},
      {"body_bytes", request.body().size()},
  };
  Response response(http::status::ok, request.version());
  response.set(http::field::content_type, "application/json");
  response.keep_alive(request.keep_alive());
  if (request.method() != http::verb::head) {
    response.body() = seen.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  }
  response.prepare_payload();
  return response;
}

std::chrono::milliseconds delay_of(const Request& request) {
  constexpr std::string_view kPrefix = "/delay/";
  const std::string_view target(request.target().data(), request.target().size());
  if (!target.starts_with(kPrefix)) return {};
  unsigned milliseconds = 0;
  const char* const begin = target.data() + kPrefix.size();
  std::from_chars(begin, target.data() + target.size(), milliseconds);
  return std::chrono::milliseconds(milliseconds);
}

}  // namespace cppx::pod_server
