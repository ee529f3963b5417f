#pragma once

#include "proxy/codec/proxy_protocol/header.h"
#include "proxy/coro/task.h"
#include "proxy/stream/downstream.h"
#include "proxy/stream/downstream_request.h"
#include "proxy/stream/stream_state.h"
#include "routing/client/client_view.h"

namespace cppx::proxy {

class Worker;

/// Reads the PROXY header in front of everything else, under the read deadline, and puts its source
/// in the place of the peer's address. Takes exactly the header off the socket, so that what
/// follows (TLS) finds it as if there had been none. False: the connection is to be closed, because
/// its header did not come whole, right and in time.
Task<bool> receive_proxy_header(Worker& worker, Downstream& downstream);

/// The header for connections to backends that are to hear of the client in this way: from its
/// address to the one it connected to, with the port that users see. Writes it into state.
void write_proxy_header(
    StreamState& state, const DownstreamRequest::Origin& origin, const routing::ClientView& client,
    proxy_protocol::Version version
) noexcept;

}  // namespace cppx::proxy
