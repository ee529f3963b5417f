#include "proxy/stream/proxy_header.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/text.h"
#include "proxy/codec/proxy_protocol/header.h"
#include "proxy/worker/buffer_pool.h"
#include "proxy/worker/worker.h"

namespace cppx::proxy {
namespace {

using proxy_protocol::ReadStatus;

/// How far the header at the beginning of `input` has come.
struct Progress {
  ReadStatus status = ReadStatus::kNeedMore;
  proxy_protocol::Header header{};
};

/// Looks at what has come without taking it, and then takes what belongs to the header: all of it
/// but what lies behind the end of a header that is whole.
Progress take_header_bytes(int socket, Buffer& input, std::size_t& size) noexcept {
  char* const begin = input.data();
  const ssize_t seen =
      ::recv(socket, begin + size, proxy_protocol::kMaxHeader - size, MSG_PEEK | MSG_DONTWAIT);
  if (seen < 0 && (errno == EAGAIN || errno == EINTR)) return {};
  // Zero: the peer ended in the middle of its header.
  if (seen <= 0) return {.status = ReadStatus::kMalformed};
  const std::size_t there = size + static_cast<std::size_t>(seen);
  const auto result = proxy_protocol::read_header({begin, there});
  if (result.status == ReadStatus::kMalformed) return {.status = result.status};
  const std::size_t end = result.status == ReadStatus::kDone ? result.consumed : there;
  const ssize_t taken = ::recv(socket, begin + size, end - size, MSG_DONTWAIT);
  if (taken != static_cast<ssize_t>(end - size)) return {.status = ReadStatus::kMalformed};
  size = end;
  return {.status = result.status, .header = result.header};
}

void adopt(const proxy_protocol::Header& header, Downstream& downstream) {
  if (!header.has_addresses) return;
  downstream.announced = std::make_unique<Announced>(Announced{
      .peer = downstream.address,
      .destination_port = header.destination.port,
      .destination_port_text = std::to_string(header.destination.port)
  });
  downstream.address = ClientAddress(header.source.ip, header.source.port);
}

/// The address of our side of a connection; that of nobody when there is none any more.
ClientAddress local_address(int socket) noexcept {
  sockaddr_storage local{};
  socklen_t size = sizeof(local);
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&local), &size) != 0) return {};
  return address_of(local);
}

}  // namespace

void write_proxy_header(
    StreamState& state, const DownstreamRequest::Origin& origin, const routing::ClientView& client,
    proxy_protocol::Version version
) noexcept {
  const ClientAddress local = local_address(origin.socket);
  const auto port = parse_int<std::uint16_t>(client.port);
  state.proxy_header_bytes = proxy_protocol::write_header(
      state.proxy_header, version, {.ip = client.address.ip(), .port = client.address.port()},
      {.ip = local.ip(), .port = port.value_or(local.port())}
  );
}

Task<bool> receive_proxy_header(Worker& worker, Downstream& downstream) {
  Transport& transport = downstream.transport;
  std::size_t size = 0;
  for (;;) {
    const auto ready = co_await transport.wait(Direction::kRead);
    if (ready != IoStatus::kOk) co_return false;
    if (downstream.input.empty()) downstream.input = worker.buffers().take_small();
    const Progress progress = take_header_bytes(transport.native_handle(), downstream.input, size);
    if (progress.status == ReadStatus::kMalformed) co_return false;
    if (progress.status == ReadStatus::kNeedMore) {
      transport.drained();
      continue;
    }
    transport.disarm_read();
    downstream.input.reset();
    adopt(progress.header, downstream);
    co_return true;
  }
}

}  // namespace cppx::proxy
