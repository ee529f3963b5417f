#include "app/takeover/predecessor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdlib>
#include <utility>

#include <nlohmann/json.hpp>

#include "app/takeover/message.h"
#include "base/log.h"
#include "base/text.h"

namespace cppx::app {
namespace {

/// For one message.
TakeoverDeadline patience() {
  constexpr std::chrono::seconds kPatience{10};
  return std::chrono::steady_clock::now() + kPatience;
}

Error takeover_error(const Error& reason) {
  return config_error(
      reason.code, fmt::format("cannot take over from the cppx that runs: {}", reason.detail)
  );
}

/// Of this process's environment, and of nobody else's: what it starts must not find it.
Descriptor inherited_socket() noexcept {
  const char* text = std::getenv(Predecessor::kEnvironment);
  if (text == nullptr) return {};
  const auto number = parse_int<int>(text);
  ::unsetenv(Predecessor::kEnvironment);
  if (!number || *number < 3 || ::fcntl(*number, F_SETFD, FD_CLOEXEC) != 0) return {};
  return Descriptor(*number);
}

bool listens(int socket) noexcept {
  int listening = 0;
  socklen_t size = sizeof(listening);
  return ::getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0;
}

}  // namespace

Result<std::optional<Predecessor>> Predecessor::find(const std::string& path) {
  Descriptor socket = inherited_socket();
  if (!socket.is_open() && !path.empty()) {
    auto connected = connect_unix(path);
    if (!connected) return takeover_error(connected.error());
    socket = std::move(*connected);
  }
  if (!socket.is_open()) return std::optional<Predecessor>();
  if (!is_same_user(socket.get()))
    return config_error(
        Errc::kUnauthorized, fmt::format("--takeover={}: another user listens there", path)
    );
  Predecessor found(std::move(socket));
  if (const auto received = found.receive_sockets(); !received)
    return takeover_error(received.error());
  return std::optional<Predecessor>(std::move(found));
}

Result<void> Predecessor::receive_sockets() {
  if (const auto asked = send_message(socket_.get(), {{"want", "sockets"}}, patience()); !asked)
    return asked.error();
  for (;;) {
    auto message = receive_message(socket_.get(), patience());
    if (!message) return message.error();
    const auto body = nlohmann::json::parse(message->text, nullptr, false);
    if (!body.is_object()) return config_error(Errc::kProtocol, "an answer that is no JSON object");
    if (body.contains("end")) return {};
    if (body.contains("refused")) return config_error(Errc::kIo, text_in(body, "refused"));
    if (!message->descriptor.is_open()) return config_error(Errc::kProtocol, "no socket came");
    if (!listens(message->descriptor.get()))
      return config_error(Errc::kProtocol, "a socket came that does not listen");
    const std::string name = text_in(body, "name");
    if (name == "health") {
      health_ = std::move(message->descriptor);
      continue;
    }
    proxy::ListenerSocket listener;
    listener.socket = message->descriptor.release();
    listener.port = number_in(body, "port");
    listener.config.name = name;
    listener.config.bind_address = text_in(body, "address");
    listeners_.push_back(std::move(listener));
  }
}

std::vector<proxy::ListenerSocket> Predecessor::take_listeners() noexcept {
  return std::move(listeners_);
}

void Predecessor::tell_serving() noexcept {
  if (const auto told = send_message(socket_.get(), {{"serving", true}}, patience()); !told)
    log::warning("the cppx before this one does not listen any more: {}", told.error().detail);
  socket_.reset();
}

}  // namespace cppx::app
