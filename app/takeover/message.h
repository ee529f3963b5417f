#pragma once

#include <chrono>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "base/descriptor.h"
#include "base/error.h"

namespace cppx::app {

/// What a running cppx and its successor tell each other, over a Unix socket that keeps messages
/// apart (SOCK_SEQPACKET): a JSON object each, and at most one descriptor with it.
struct TakeoverMessage {
  std::string text;
  Descriptor descriptor;
};

using TakeoverDeadline = std::chrono::steady_clock::time_point;

/// Both block until the deadline at most, whether the socket is a blocking one or not. What needs
/// no waiting is done after it, too. Errors: kClosed when the other side is gone, kTimeout, kIo,
/// kProtocol for what is too long.
Result<void> send_message(
    int socket, const nlohmann::json& body, TakeoverDeadline deadline, int descriptor = -1
);
Result<TakeoverMessage> receive_message(int socket, TakeoverDeadline deadline);

/// A member that is text, or a number of that range; "" and 0 when it is not.
std::string text_in(const nlohmann::json& body, const char* name);
std::uint16_t number_in(const nlohmann::json& body, const char* name);

/// Connected to the program that listens at `path`, without waiting; none when nobody does. Errors:
/// kTimeout when it has not taken those who came before.
Result<Descriptor> connect_unix(const std::string& path);

/// Listens at `path` in place of whoever did, for this user only (mode 0600). Errors: kIo,
/// kInvalidArgument.
Result<Descriptor> listen_unix(const std::string& path);

/// Whether the other side of a Unix socket is this user or root.
bool is_same_user(int socket) noexcept;

}  // namespace cppx::app
