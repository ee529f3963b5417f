#pragma once

#include <cstdint>
#include <string_view>

#include "proxy/coro/task.h"
#include "proxy/stream/downstream.h"

namespace cppx::proxy {

class Worker;

/// "Not Found" and so on; static text. Every status this program answers with has one.
std::string_view reason_phrase(std::uint16_t status) noexcept;

/// An answer the proxy makes itself.
struct LocalReply {
  std::uint16_t status = 500;
  std::string_view location{};                   ///< Redirects; empty otherwise.
  std::string_view strict_transport_security{};  ///< Empty: not sent.
  bool keep_alive = false;
  bool head_method = false;  ///< No body, but the length it would have.
  bool empty_body = false;
};

/// Writes the reply: a short HTML page that says the status, as users of nginx know it. False when
/// the client could not be written to. The one way the proxy answers on its own.
Task<bool> write_local_reply(Worker& worker, Downstream& downstream, LocalReply reply);

/// For a request that could not be understood.
Task<void> write_error_and_close(Worker& worker, Downstream& downstream, std::uint16_t status);

/// 400 in plain text to a client that speaks plain HTTP to the https port.
Task<void> write_plain_on_tls_reply(Worker& worker, Downstream& downstream);

}  // namespace cppx::proxy
