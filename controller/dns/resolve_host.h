#pragma once

#include <chrono>
#include <string>
#include <vector>

#include <boost/asio/ip/address.hpp>

#include "base/error.h"
#include "controller/dns/ares_channel.h"
#include "controller/kube/task.h"

namespace cppx::controller::dns {

/// Addresses of a host, IPv4 first; an IP literal is its own address. kNotFound when there is none,
/// kTimeout, kUnavailable when no name server answers. When it ends before the answers have come,
/// the look-ups go on until the channel is cancelled.
Task<Result<std::vector<boost::asio::ip::address>>> resolve_host(
    Executor executor, AresChannel& channel, std::string host,
    std::chrono::steady_clock::time_point deadline
);

}  // namespace cppx::controller::dns
