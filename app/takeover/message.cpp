#include "app/takeover/message.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>

#include <nlohmann/json.hpp>

namespace cppx::app {
namespace {

constexpr std::size_t kLongestMessage = 4096;
constexpr int kBacklog = 4;

Error socket_error(const char* what) {
  if (errno == EPIPE || errno == ECONNRESET)
    return config_error(Errc::kClosed, "the other process is gone");
  if (errno == EAGAIN || errno == EWOULDBLOCK)
    return config_error(Errc::kTimeout, fmt::format("{}: the other process takes too long", what));
  return config_error(Errc::kIo, fmt::format("{}: {}", what, std::strerror(errno)));
}

/// Whether the socket can be tried again before the deadline. What became of it, the next try
/// tells.
bool becomes_ready(int socket, short events, TakeoverDeadline deadline) {
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd waiting{.fd = socket, .events = events, .revents = 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(left.count()));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

/// Repeats a call that does not wait (MSG_DONTWAIT) until it need not.
template <typename Call>
ssize_t call_until(int socket, short events, TakeoverDeadline deadline, Call call) {
  for (;;) {
    const ssize_t done = call();
    if (done >= 0) return done;
    const int error = errno;
    const bool full = error == EAGAIN || error == EWOULDBLOCK;
    if (error == EINTR || (full && becomes_ready(socket, events, deadline))) continue;
    errno = error;
    return done;
  }
}

bool fill_address(const std::string& path, sockaddr_un& address) noexcept {
  address = {};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) return false;
  std::memcpy(address.sun_path, path.data(), path.size());
  return true;
}

/// The control message that carries one descriptor.
struct Ancillary {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> memory{};
};

}  // namespace

Result<void> send_message(
    int socket, const nlohmann::json& body, TakeoverDeadline deadline, int descriptor
) {
  std::string text = body.dump();
  iovec piece{.iov_base = text.data(), .iov_len = text.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  Ancillary ancillary;
  if (descriptor >= 0) {
    message.msg_control = ancillary.memory.data();
    message.msg_controllen = ancillary.memory.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
  }
  const ssize_t sent = call_until(socket, POLLOUT, deadline, [&] {
    return ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  });
  if (sent < 0) return socket_error("send");
  return {};
}

Result<TakeoverMessage> receive_message(int socket, TakeoverDeadline deadline) {
  TakeoverMessage received;
  received.text.resize(kLongestMessage);
  iovec piece{.iov_base = received.text.data(), .iov_len = received.text.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  Ancillary ancillary;
  message.msg_control = ancillary.memory.data();
  message.msg_controllen = ancillary.memory.size();
  const ssize_t got = call_until(socket, POLLIN, deadline, [&] {
    return ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  });
  if (got < 0) return socket_error("receive");
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    int descriptor = -1;
    std::memcpy(&descriptor, CMSG_DATA(header), sizeof(int));
    received.descriptor.reset(descriptor);
  }
  if (got == 0) return config_error(Errc::kClosed, "the other process is gone");
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
    return config_error(Errc::kProtocol, "a message that is too long");
  received.text.resize(static_cast<std::size_t>(got));
  return received;
}

std::string text_in(const nlohmann::json& body, const char* name) {
  const auto found = body.find(name);
  return found != body.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::uint16_t number_in(const nlohmann::json& body, const char* name) {
  const auto found = body.find(name);
  if (found == body.end() || !found->is_number_unsigned()) return 0;
  const auto number = found->get<std::uint64_t>();
  return number <= UINT16_MAX ? static_cast<std::uint16_t>(number) : std::uint16_t{0};
}

Result<Descriptor> connect_unix(const std::string& path) {
  sockaddr_un address;
  if (!fill_address(path, address)) return Descriptor();
  Descriptor socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (socket.is_open() &&
      ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0)
    return socket;
  if (socket.is_open() && errno == EAGAIN)
    return config_error(Errc::kTimeout, "it does not take those who ask");
  return Descriptor();
}

Result<Descriptor> listen_unix(const std::string& path) {
  // Under another name first: whoever asks meanwhile still finds the predecessor, and nobody finds
  // a socket that is open to all.
  const std::string draft = path + ".new";
  sockaddr_un address;
  if (!fill_address(draft, address))
    return config_error(Errc::kInvalidArgument, fmt::format("{}: too long for a socket", path));
  Descriptor socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  ::unlink(draft.c_str());
  if (!socket.is_open() ||
      ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::chmod(draft.c_str(), S_IRUSR | S_IWUSR) != 0 || ::listen(socket.get(), kBacklog) != 0 ||
      std::rename(draft.c_str(), path.c_str()) != 0) {
    const std::string reason = std::strerror(errno);
    ::unlink(draft.c_str());
    return config_error(Errc::kIo, fmt::format("cannot listen at {}: {}", path, reason));
  }
  return socket;
}

bool is_same_user(int socket) noexcept {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == ::geteuid() || peer.uid == 0;
}

}  // namespace cppx::app
