#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>

#include "routing/endpoint/endpoint.h"
#include "routing/http/message.h"
#include "routing/match/route.h"

namespace cppx::proxy {

/// One try of a request with one endpoint, as the log tells it. Times count from its start.
struct UpstreamTry {
  static constexpr std::chrono::milliseconds kNever{-1};

  routing::EndpointAddress address;
  std::chrono::milliseconds connect = kNever;  ///< Until it was connected.
  std::chrono::milliseconds header = kNever;   ///< Until the response's head.
  std::chrono::milliseconds response{0};       ///< Until it was over.
  std::uint16_t status = 0;                    ///< 0: none.
  std::uint64_t response_bytes = 0;            ///< Of the body.
};

/// Of the client's TLS connection; empty without one.
struct TlsFacts {
  std::string_view protocol;
  std::string_view cipher;
  std::string_view server_name;
};

/// All that a line of the access log may tell of a request. Views are good for the one call that
/// they are given to.
struct AccessFacts {
  const routing::RequestHead* request = nullptr;  ///< Null: none that could be read.
  std::string_view request_line{};     ///< As sent; empty: made of `request`, or not known.
  std::string_view normalized_path{};  ///< Empty: was not looked at.
  std::string_view protocol{};         ///< "HTTP/1.1"; empty: not known.
  std::string_view request_id{};

  std::string_view client_address{};      ///< Whom the request comes from.
  std::uint16_t client_port = 0;          ///< 0: not known.
  std::string_view connection_address{};  ///< Of the TCP peer.
  std::string_view announced_address{};   ///< The source in its PROXY header; empty: none.
  std::uint64_t connection = 0;           ///< Its number in the process.
  std::uint32_t connection_requests = 0;
  std::uint16_t server_port = 0;
  bool over_tls = false;
  TlsFacts tls{};

  std::string_view server_name{};         ///< Of the host that matched.
  const routing::Route* route = nullptr;  ///< Null: none took the request.
  bool default_backend = false;           ///< No rule took it; not for what was no request.

  std::uint16_t status = 0;
  std::uint64_t request_bytes = 0;
  std::uint64_t sent_bytes = 0;
  std::uint64_t sent_body_bytes = 0;
  std::chrono::milliseconds duration{0};
  std::span<const UpstreamTry> tries{};
};

}  // namespace cppx::proxy
