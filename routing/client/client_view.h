#pragma once

#include <cstdint>
#include <string_view>

#include "routing/client/client_address.h"
#include "routing/client/client_trust.h"
#include "routing/http/message.h"

namespace cppx::routing {

/// What the connection itself says about its client.
struct ConnectionOrigin {
  const ClientAddress* address = nullptr;  ///< TCP peer, or the source in its PROXY header.
  std::string_view port;                   ///< The port the client came to, as text.
  std::uint16_t destination_port = 0;      ///< That port by the PROXY header; 0: none said.
  bool tls = false;
};

/// Whom a request comes from and how its client sees us: what backends are told, redirects are made
/// of, and lists and limits go by. Views live as long as the connection and the request's head.
struct ClientView {
  ClientAddress address;
  std::string_view scheme = "http";  ///< As a trusted proxy said it, else "http" or "https".
  std::string_view port;
  std::string_view host{};  ///< Of X-Forwarded-Host, with its port; empty: that of the request.
  std::string_view host_name{};  ///< `host` without the port.
  /// The received X-Forwarded-For is passed on, with the connection's address at its end.
  bool append_forwarded_for = false;
};

/// Pure. The address is found from the right: the first one that is not trusted itself, and never
/// one behind an item that is no address. Fields of peers that are not trusted are as good as
/// absent.
ClientView view_client(
    const ConnectionOrigin& connection, const RequestHead& request, const ClientTrust& trust
);

}  // namespace cppx::routing
