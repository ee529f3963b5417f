#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "routing/client/ip_address.h"

namespace cppx::proxy::proxy_protocol {

// The PROXY protocol (haproxy.org's proxy-protocol.txt): what a load balancer sends in front of a
// connection to tell whose it is. Version 1 is a line of text, version 2 binary. Sections below are
// those of that document.

struct Endpoint {
  routing::IpAddress ip;
  std::uint16_t port = 0;
};

struct Header {
  /// False: the connection speaks for itself (UNKNOWN, LOCAL, UNSPEC, a family that is not IP, or
  /// not a stream): its own addresses are the right ones.
  bool has_addresses = false;
  Endpoint source;
  Endpoint destination;
};

enum class ReadStatus : std::uint8_t {
  kNeedMore,   ///< All bytes given belong to the header, and there are more of it to come.
  kDone,       ///< `header` is set; its first `consumed` bytes are the header.
  kMalformed,  ///< Not a PROXY header, or one that may not be.
};

struct ReadResult {
  ReadStatus status = ReadStatus::kNeedMore;
  std::size_t consumed = 0;
  Header header{};
};

/// No header is longer; one that claims to be is malformed. Room for every TLV in use.
inline constexpr std::size_t kMaxHeader = 4096;
/// Room that write_header() needs.
inline constexpr std::size_t kMaxWritten = 108;

/// Reads the header at the beginning of `bytes`: call again with more of the stream, from its
/// beginning, after kNeedMore. Never looks behind the header. Pure.
ReadResult read_header(std::string_view bytes) noexcept;

enum class Version : std::uint8_t { kV1 = 1, kV2 = 2 };

/// Writes a header for a TCP connection; returns its size. Both addresses are written as IPv6 when
/// one of them is.
std::size_t write_header(
    std::span<char, kMaxWritten> out, Version version, const Endpoint& source,
    const Endpoint& destination
) noexcept;

}  // namespace cppx::proxy::proxy_protocol
