#include "controller/dns/ares_channel.h"

#include <ares.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/text.h"

namespace cppx::controller::dns {
namespace {

namespace asio = boost::asio;
using Executor = asio::io_context::executor_type;
using boost::system::error_code;

/// c-ares counts the users of its global tables itself.
void initialise_library() {
  if (const int code = ares_library_init(ARES_LIB_INIT_ALL); code != ARES_SUCCESS)
    throw std::runtime_error(std::string("c-ares: ") + ares_strerror(code));
}

asio::ip::address address_of(const sockaddr* socket_address) {
  if (socket_address->sa_family == AF_INET) {
    sockaddr_in ipv4{};
    std::memcpy(&ipv4, socket_address, sizeof(ipv4));
    return asio::ip::address_v4(ntohl(ipv4.sin_addr.s_addr));
  }
  sockaddr_in6 ipv6{};
  std::memcpy(&ipv6, socket_address, sizeof(ipv6));
  asio::ip::address_v6::bytes_type bytes;
  std::memcpy(bytes.data(), &ipv6.sin6_addr, bytes.size());
  return asio::ip::address_v6(bytes);
}

LookupStatus status_of(int code) noexcept {
  switch (code) {
    case ARES_SUCCESS:
      return LookupStatus::kFound;
    case ARES_ENOTFOUND:
    case ARES_EBADNAME:
    case ARES_ENONAME:
      return LookupStatus::kNoSuchName;
    case ARES_ENODATA:
      return LookupStatus::kNoAddress;
    case ARES_EDESTRUCTION:
    case ARES_ECANCELLED:
      return LookupStatus::kCancelled;
    default:
      return LookupStatus::kFailed;
  }
}

/// Names that mean this machine whatever the name servers say: RFC 6761 section 6.3.
bool is_localhost(std::string_view name) noexcept {
  static constexpr std::string_view kLocalhost = "localhost";
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.size() < kLocalhost.size()) return false;
  const auto rest = name.substr(0, name.size() - kLocalhost.size());
  return iequals(name.substr(rest.size()), kLocalhost) && (rest.empty() || rest.ends_with('.'));
}

LookupResult loopback(Family family) {
  LookupResult result;
  result.status = LookupStatus::kFound;
  result.ttl = std::chrono::hours(24);
  if (family == Family::kIPv4)
    result.addresses.emplace_back(asio::ip::address_v4::loopback());
  else
    result.addresses.emplace_back(asio::ip::address_v6::loopback());
  return result;
}

LookupResult result_of(int code, const ares_addrinfo* info) {
  LookupResult result;
  result.status = status_of(code);
  if (result.status == LookupStatus::kFailed) result.error = ares_strerror(code);
  if (result.status != LookupStatus::kFound || info == nullptr) return result;
  int ttl = info->nodes != nullptr ? info->nodes->ai_ttl : 0;
  for (const ares_addrinfo_node* node = info->nodes; node != nullptr; node = node->ai_next) {
    result.addresses.push_back(address_of(node->ai_addr));
    ttl = std::min(ttl, node->ai_ttl);
  }
  for (const ares_addrinfo_cname* alias = info->cnames; alias != nullptr; alias = alias->next)
    ttl = std::min(ttl, alias->ttl);
  result.ttl = std::chrono::seconds(std::max(ttl, 0));
  if (result.addresses.empty()) result.status = LookupStatus::kNoAddress;
  return result;
}

}  // namespace

/// c-ares tells by a callback which sockets it waits on. Each is wrapped, never owned: c-ares
/// closes.
class AresChannel::Impl {
 public:
  Impl(asio::io_context& io, const AresOptions& options);
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void lookup(const std::string& name, Family family, std::function<void(LookupResult)> done);
  void cancel();

 private:
  using Descriptor = asio::posix::basic_stream_descriptor<Executor>;
  struct Socket {
    explicit Socket(const Executor& executor, int fd) : descriptor(executor, fd) {}
    ~Socket() { descriptor.release(); }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    Descriptor descriptor;
    bool wants_read = false;
    bool wants_write = false;
    bool reading = false;
    bool writing = false;
  };
  using Callback = std::function<void(LookupResult)>;

  void socket_changed(int fd, bool readable, bool writable);
  void wait(int fd, const std::shared_ptr<Socket>& socket);
  void set_timer();
  static void on_result(void* argument, int status, int timeouts, ares_addrinfo* info);

  Executor executor_;
  ares_channel channel_ = nullptr;
  std::map<int, std::shared_ptr<Socket>> sockets_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  asio::basic_waitable_timer<
      std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>
      timer_;
};

AresChannel::Impl::Impl(asio::io_context& io, const AresOptions& options)
    : executor_(io.get_executor()), timer_(io) {
  initialise_library();
  ares_options settings{};
  settings.timeout = static_cast<int>(options.timeout.count());
  settings.tries = options.tries;
  settings.sock_state_cb_data = this;
  settings.sock_state_cb = [](void* self, ares_socket_t fd, int readable, int writable) {
    static_cast<Impl*>(self)->socket_changed(fd, readable != 0, writable != 0);
  };
  const int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
  int code = ares_init_options(&channel_, &settings, mask);
  if (code == ARES_SUCCESS && !options.servers.empty())
    code = ares_set_servers_ports_csv(channel_, options.servers.c_str());
  if (code == ARES_SUCCESS) return;
  if (channel_ != nullptr) ares_destroy(channel_);
  ares_library_cleanup();
  throw std::runtime_error(std::string("c-ares: ") + ares_strerror(code));
}

AresChannel::Impl::~Impl() {
  ares_destroy(channel_);
  sockets_.clear();
  ares_library_cleanup();
}

void AresChannel::Impl::lookup(const std::string& name, Family family, Callback done) {
  if (is_localhost(name)) {
    done(loopback(family));
    return;
  }
  ares_addrinfo_hints hints{};
  hints.ai_family = family == Family::kIPv4 ? AF_INET : AF_INET6;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = ARES_AI_NOSORT | ARES_AI_ENVHOSTS;
  auto argument = std::make_unique<Callback>(std::move(done));
  ares_getaddrinfo(channel_, name.c_str(), nullptr, &hints, &Impl::on_result, argument.release());
  set_timer();
}

void AresChannel::Impl::cancel() {
  ares_cancel(channel_);
  set_timer();
}

void AresChannel::Impl::on_result(void* argument, int status, int, ares_addrinfo* info) {
  const std::unique_ptr<Callback> done(static_cast<Callback*>(argument));
  LookupResult result = result_of(status, info);
  ares_freeaddrinfo(info);
  (*done)(std::move(result));
}

void AresChannel::Impl::socket_changed(int fd, bool readable, bool writable) {
  const auto known = sockets_.find(fd);
  if (!readable && !writable) {
    if (known == sockets_.end()) return;
    // c-ares closes it next.
    known->second->descriptor.release();
    sockets_.erase(known);
    return;
  }
  const auto& socket =
      known != sockets_.end()
          ? known->second
          : sockets_.emplace(fd, std::make_shared<Socket>(executor_, fd)).first->second;
  socket->wants_read = readable;
  socket->wants_write = writable;
  wait(fd, socket);
}

void AresChannel::Impl::wait(int fd, const std::shared_ptr<Socket>& socket) {
  // Without its Socket, a handler must not touch the channel: it may be gone.
  if (socket->wants_read && !socket->reading) {
    socket->reading = true;
    socket->descriptor.async_wait(
        Descriptor::wait_read,
        [this, fd, weak = std::weak_ptr<Socket>(socket)](const error_code& error) {
          const auto alive = weak.lock();
          if (error || !alive) return;
          alive->reading = false;
          ares_process_fd(channel_, fd, ARES_SOCKET_BAD);
          if (alive->descriptor.is_open()) wait(fd, alive);
          set_timer();
        }
    );
  }
  if (socket->wants_write && !socket->writing) {
    socket->writing = true;
    socket->descriptor.async_wait(
        Descriptor::wait_write,
        [this, fd, weak = std::weak_ptr<Socket>(socket)](const error_code& error) {
          const auto alive = weak.lock();
          if (error || !alive) return;
          alive->writing = false;
          ares_process_fd(channel_, ARES_SOCKET_BAD, fd);
          if (alive->descriptor.is_open()) wait(fd, alive);
          set_timer();
        }
    );
  }
}

void AresChannel::Impl::set_timer() {
  timeval due{};
  if (ares_timeout(channel_, nullptr, &due) == nullptr) {
    timer_.cancel();
    return;
  }
  const auto delay = std::chrono::seconds(due.tv_sec) + std::chrono::microseconds(due.tv_usec) +
                     std::chrono::milliseconds(1);
  timer_.expires_after(delay);
  // A wait that ended just before the channel did is still delivered, without an error.
  timer_.async_wait([this, alive = std::weak_ptr<bool>(alive_)](const error_code& error) {
    if (error || alive.expired()) return;
    ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    set_timer();
  });
}

AresChannel::AresChannel(asio::io_context& io, const AresOptions& options)
    : impl_(std::make_unique<Impl>(io, options)) {}

AresChannel::~AresChannel() = default;

void AresChannel::lookup(
    const std::string& name, Family family, std::function<void(LookupResult)> done
) {
  impl_->lookup(name, family, std::move(done));
}

void AresChannel::cancel() { impl_->cancel(); }

}  // namespace cppx::controller::dns
