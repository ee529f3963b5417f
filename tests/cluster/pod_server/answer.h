#pragma once

#include <chrono>
#include <string>

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/http.hpp>

namespace cppx::pod_server {

using Request = boost::beast::http::request<boost::beast::http::string_body>;
using Response = boost::beast::http::response<boost::beast::http::string_body>;

/// What the pod at `local` answers to `request`: 200 and a JSON object with "pod" (its address),
/// "port", "peer", "method", "target", "headers" (pairs in the order received) and "body_bytes".
/// The response keeps the connection exactly when the request does.
Response answer_of_pod(
    const Request& request, const boost::asio::ip::tcp::endpoint& local,
    const boost::asio::ip::tcp::endpoint& peer
);

/// How long the pod thinks before it answers: N milliseconds for the target /delay/N, else none.
std::chrono::milliseconds delay_of(const Request& request);

}  // namespace cppx::pod_server
