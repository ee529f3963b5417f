#pragma once

#include "proxy/coro/task.h"
#include "proxy/stream/downstream.h"

namespace cppx::proxy {

class Worker;

/// Where use-proxy-protocol is on: reads the PROXY header in front of everything else and puts its
/// source in the place of the peer's address. Takes exactly the header off the socket, so that what
/// follows (TLS) finds it as if there had been none. False: the connection is to be closed, because
/// the peer is not trusted, or its header did not come whole, right and in time.
Task<bool> receive_proxy_header(Worker& worker, Downstream& downstream);

}  // namespace cppx::proxy
