#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/transport/transport.h"
#include "proxy/worker/buffer_pool.h"
#include "proxy/worker/idle_list.h"
#include "proxy/worker/listener.h"
#include "routing/client/client_view.h"

namespace cppx::proxy {

/// The client's side of a connection, shared by the connection and the stream in progress.
struct Downstream {
  Downstream(EventLoop& loop, TimerWheel& wheel, const Listener& on, const ClientAddress& client)
      : transport(loop, wheel), idle(transport), listener(on), address(client) {}

  Transport transport;
  IdleLink idle;
  const Listener& listener;
  ClientAddress address;  ///< Of the peer, or the source in its PROXY header.
  /// The port that the client came to, by the PROXY header; 0 and empty: none said.
  std::uint16_t destination_port = 0;
  std::uint32_t requests = 0;
  std::string destination_port_text;
  /// Received and not used yet: input.data()[begin, end). While a stream runs, its head lies
  /// before.
  Buffer input;
  std::size_t begin = 0;
  std::size_t end = 0;
  std::uint64_t number = 0;  ///< Of the connection, unique in the process.

  [[nodiscard]] routing::ConnectionOrigin origin() const noexcept {
    return {
        .address = &address,
        .port = destination_port == 0 ? listener.forwarded_port()
                                      : std::string_view(destination_port_text),
        .destination_port = destination_port,
        .tls = transport.is_tls()
    };
  }
  [[nodiscard]] std::string_view unread() const noexcept {
    return {input.data() + begin, end - begin};
  }
  [[nodiscard]] std::span<char> free_space() const noexcept {
    return {input.data() + end, input.size() - end};
  }
};

}  // namespace cppx::proxy
