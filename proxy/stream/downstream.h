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

/// What a PROXY header told of a connection, besides its client's address.
struct Announced {
  ClientAddress peer;                  ///< Who sent it.
  std::uint16_t destination_port = 0;  ///< That the client came to; 0: none said.
  std::string destination_port_text;
};

/// The client's side of a connection, shared by the connection and the stream in progress.
struct Downstream {
  Downstream(EventLoop& loop, TimerWheel& wheel, const Listener& on, const ClientAddress& client)
      : transport(loop, wheel), idle(transport), listener(on), address(client) {}

  Transport transport;
  IdleLink idle;
  const Listener& listener;
  ClientAddress address;                       ///< Of the peer, or the source in its PROXY header.
  std::unique_ptr<const Announced> announced;  ///< Null: no PROXY header told of a client.
  std::uint32_t requests = 0;
  /// Received and not used yet: input.data()[begin, end). While a stream runs, its head lies
  /// before.
  Buffer input;
  std::size_t begin = 0;
  std::size_t end = 0;
  std::uint64_t number = 0;  ///< Of the connection, unique in the process.

  [[nodiscard]] routing::ConnectionOrigin origin() const noexcept {
    const bool told = announced && announced->destination_port != 0;
    return {
        .address = &address,
        .port =
            told ? std::string_view(announced->destination_port_text) : listener.forwarded_port(),
        .destination_port = told ? announced->destination_port : std::uint16_t{0},
        .tls = transport.is_tls()
    };
  }
  /// The other end of the TCP connection.
  [[nodiscard]] const ClientAddress& peer() const noexcept {
    return announced ? announced->peer : address;
  }
  [[nodiscard]] std::string_view unread() const noexcept {
    return {input.data() + begin, end - begin};
  }
  [[nodiscard]] std::span<char> free_space() const noexcept {
    return {input.data() + end, input.size() - end};
  }
};

}  // namespace cppx::proxy
