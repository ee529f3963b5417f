#pragma once

#include <cstdint>
#include <string_view>

#include "routing/http/message.h"

namespace cppx::proxy {

/// Whether a request is a gRPC call: its content-type says so ("application/grpc", with a format
/// after '+' or parameters after ';').
bool is_grpc(const routing::RequestHead& request) noexcept;

/// The grpc-status of an HTTP status, as gRPC's own table of HTTP statuses has it ("14" for 503).
std::string_view grpc_status_of(std::uint16_t http_status) noexcept;

}  // namespace cppx::proxy
