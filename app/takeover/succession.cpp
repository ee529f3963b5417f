#include "app/takeover/succession.h"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <nlohmann/json.hpp>

#include "app/takeover/message.h"
#include "app/takeover/predecessor.h"
#include "base/descriptor.h"
#include "base/log.h"

namespace cppx::app {
namespace {

namespace asio = boost::asio;

// For all messages to a successor together. It has a process of its own to lose; this loop also
// answers health checks.
constexpr std::chrono::seconds kGivingPatience{2};
// The socket to us in a process that is started; it has nothing else of ours but what is standard.
constexpr int kGiven = 3;

/// Where the program was started from, also when another file lies there by now.
std::string program_path() {
  std::error_code error;
  std::string path = std::filesystem::read_symlink("/proc/self/exe", error).string();
  constexpr std::string_view kReplaced = " (deleted)";
  if (path.ends_with(kReplaced)) path.resize(path.size() - kReplaced.size());
  return path;
}

std::vector<std::string> own_arguments() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  std::vector<std::string> arguments;
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = std::min(text.find('\0', begin), text.size());
    arguments.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return arguments;
}

std::vector<std::string> environment_with(const std::string& variable) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) all.emplace_back(*entry);
  all.push_back(variable);
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (std::string& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

/// With many workers that is more than the socket holds: the other side has to take it meanwhile.
Result<void> send_sockets(int to, const OfferedSockets& offered) {
  const auto deadline = std::chrono::steady_clock::now() + kGivingPatience;
  for (const auto& socket : offered.listeners) {
    const nlohmann::json body{
        {"name", socket.config.name}, {"address", socket.config.bind_address}, {"port", socket.port}
    };
    if (auto sent = send_message(to, body, deadline, socket.socket); !sent) return sent;
  }
  if (offered.health >= 0)
    if (auto sent = send_message(to, {{"name", "health"}}, deadline, offered.health); !sent)
      return sent;
  return send_message(to, {{"end", true}}, deadline);
}

}  // namespace

struct Succession::Impl : std::enable_shared_from_this<Impl> {
  using Socket = asio::posix::stream_descriptor;
  /// A process that has asked, or may.
  struct Candidate {
    Candidate(asio::io_context& io, Descriptor descriptor) : socket(io, descriptor.release()) {}
    Socket socket;
  };

  Impl(
      asio::io_context& context, std::function<OfferedSockets()> offered,
      std::function<void()> served
  )
      : io(context),
        sockets(std::move(offered)),
        on_served(std::move(served)),
        listener(context),
        program(program_path()) {}

  void accept();
  void serve(std::shared_ptr<Candidate> candidate);
  bool answer(const std::shared_ptr<Candidate>& candidate);
  bool give_sockets(const std::shared_ptr<Candidate>& candidate);
  void stop() noexcept;

  asio::io_context& io;
  std::function<OfferedSockets()> sockets;
  std::function<void()> on_served;
  Socket listener;
  std::string program;
  std::weak_ptr<Candidate> successor;  // has the sockets, as long as it lives
  bool ended = false;
};

Succession::Succession(
    asio::io_context& io, std::function<OfferedSockets()> sockets, std::function<void()> on_served
)
    : impl_(std::make_shared<Impl>(io, std::move(sockets), std::move(on_served))) {}

Succession::~Succession() { stop(); }

void Succession::stop() noexcept { impl_->stop(); }

// Whoever asks from now on is to find nobody, rather than to wait.
void Succession::Impl::stop() noexcept {
  ended = true;
  boost::system::error_code ignored;
  listener.close(ignored);
}

bool Succession::has_candidate() const noexcept { return !impl_->successor.expired(); }

Result<void> Succession::listen(const std::string& path) {
  auto listening = listen_unix(path);
  if (!listening)
    return config_error(
        listening.error().code, fmt::format("--takeover={}: {}", path, listening.error().detail)
    );
  impl_->listener.assign(listening->release());
  impl_->accept();
  return {};
}

void Succession::Impl::accept() {
  listener.async_wait(
      Socket::wait_read,
      [self = shared_from_this()](boost::system::error_code error) {
        if (error || self->ended) return;
        Descriptor asking(::accept4(self->listener.native_handle(), nullptr, nullptr, SOCK_CLOEXEC)
        );
        if (asking.is_open() && is_same_user(asking.get()))
          self->serve(std::make_shared<Candidate>(self->io, std::move(asking)));
        self->accept();
      }
  );
}

void Succession::Impl::serve(std::shared_ptr<Candidate> candidate) {
  Socket& socket = candidate->socket;
  socket.async_wait(
      Socket::wait_read,
      [self = shared_from_this(), candidate](boost::system::error_code error) {
        if (error || self->ended || !self->answer(candidate)) return;
        self->serve(candidate);
      }
  );
}

bool Succession::Impl::answer(const std::shared_ptr<Candidate>& candidate) {
  // It is there: nothing is waited for.
  const auto message =
      receive_message(candidate->socket.native_handle(), std::chrono::steady_clock::now());
  const bool has_sockets = successor.lock() == candidate;
  if (!message) {
    if (has_sockets) log::warning("the successor ended before it served: going on without");
    return false;
  }
  const auto body = nlohmann::json::parse(message->text, nullptr, false);
  if (!body.is_object()) return false;
  if (text_in(body, "want") == "sockets") return give_sockets(candidate);
  if (!has_sockets || !body.contains("serving")) return false;
  stop();
  on_served();
  return false;
}

bool Succession::Impl::give_sockets(const std::shared_ptr<Candidate>& candidate) {
  const int to = candidate->socket.native_handle();
  // Two of them would both serve in the end.
  if (!successor.expired()) {
    log::warning("a second successor has asked for the listening sockets: refused");
    const auto now = std::chrono::steady_clock::now();
    (void)send_message(to, {{"refused", "another one is taking over from it already"}}, now);
    return false;
  }
  log::info("a successor has asked for the listening sockets");
  if (const auto sent = send_sockets(to, sockets()); !sent) {
    log::warning(
        "the listening sockets could not be given to a successor: {}; going on without",
        sent.error().detail
    );
    return false;
  }
  successor = candidate;
  return true;
}

void Succession::reap() noexcept {
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

void Succession::start_successor() {
  // The first process of a container or machine takes everything with it when it ends.
  if (::getpid() == 1) {
    log::warning("SIGUSR2: a successor cannot take the place of process 1; use --takeover");
    return;
  }
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    log::error("SIGUSR2: no successor is started: {}", std::strerror(errno));
    return;
  }
  auto candidate = std::make_shared<Impl::Candidate>(impl_->io, Descriptor(pair[0]));
  const Descriptor theirs(pair[1]);
  auto arguments = own_arguments();
  auto environment = environment_with(fmt::format("{}={}", Predecessor::kEnvironment, kGiven));
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), kGiven);
  ::posix_spawn_file_actions_addclosefrom_np(&actions, kGiven + 1);
  // It may be a program that does not expect the signals to be blocked.
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t started = 0;
  const int error = ::posix_spawn(
      &started, impl_->program.c_str(), &actions, &attributes, pointers(arguments).data(),
      pointers(environment).data()
  );
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    log::error("SIGUSR2: cannot start {}: {}", impl_->program, std::strerror(error));
    return;
  }
  log::info("SIGUSR2: process {} is to take over", started);
  impl_->serve(std::move(candidate));
}

}  // namespace cppx::app
