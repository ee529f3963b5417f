// The backend behind every proxy: HTTP/1.1, one thread, as little work as an answer can be.
//
//   origin PORT
//
// A response has as many bytes of body as the digits at the end of the target say ("/1024",
// "/p7/1024"), at most 16 MiB. Request bodies (Content-Length or chunked) are read to their end
// first. A request with Upgrade: websocket gets 101, and from then on its bytes back as they come:
// proxies do not look into the frames either.
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <signal.h>
#include <sys/uio.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <string>
#include <string_view>

#include "bench/native/sockets.h"

namespace {

constexpr std::size_t kReadBytes = 64 * 1024;
constexpr std::size_t kLargestBody = 16 * 1024 * 1024;
constexpr int kEvents = 512;

const std::string kBody(kLargestBody, 'x');
char read_buffer[kReadBytes];

struct Connection {
  enum class State { kHead, kLength, kChunkSize, kChunk, kEcho };

  int fd = -1;
  State state = State::kHead;
  std::string input;            // what could not be used up yet
  std::size_t body_left = 0;    // of the request's body or chunk, line end of a chunk included
  std::string output;           // heads, and what is echoed
  std::size_t output_body = 0;  // bytes of kBody behind `output`
  std::size_t answer_bytes = 0;
  bool last_chunk = false;
  bool close_after = false;
  bool waits_to_write = false;
};

bool starts_with_ignoring_case(std::string_view text, std::string_view lower) {
  return text.size() >= lower.size() &&
         std::equal(lower.begin(), lower.end(), text.begin(), [](char a, char b) {
           return a == std::tolower(static_cast<unsigned char>(b));
         });
}

// The value of a field, its name with the colon in lower case.
std::string_view field(std::string_view head, std::string_view name) {
  for (std::size_t line = head.find("\r\n"); line + 2 < head.size();) {
    line += 2;
    const std::size_t end = head.find("\r\n", line);
    const std::string_view text = head.substr(line, end - line);
    if (starts_with_ignoring_case(text, name)) {
      const std::size_t value = text.find_first_not_of(' ', name.size());
      return value == std::string_view::npos ? std::string_view() : text.substr(value);
    }
    line = end;
  }
  return {};
}

template <class Number>
Number number(std::string_view text, int base = 10) {
  Number value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, base);
  return value;
}

std::size_t size_in_target(std::string_view head) {
  const std::size_t end = head.find(' ', head.find(' ') + 1);
  std::size_t begin = end;
  while (begin > 0 && std::isdigit(static_cast<unsigned char>(head[begin - 1])) != 0) --begin;
  return std::min(number<std::size_t>(head.substr(begin, end - begin)), kLargestBody);
}

// RFC 6455 4.2.2.
std::string accept_value(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  unsigned char encoded[32];
  const int size = EVP_EncodeBlock(encoded, digest, SHA_DIGEST_LENGTH);
  return {reinterpret_cast<const char*>(encoded), static_cast<std::size_t>(size)};
}

void answer(Connection& connection) {
  connection.state = Connection::State::kHead;
  connection.output += "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ";
  connection.output += std::to_string(connection.answer_bytes);
  connection.output += connection.close_after ? "\r\nConnection: close\r\n\r\n" : "\r\n\r\n";
  connection.output_body = connection.answer_bytes;
}

void take_head(Connection& connection, std::string_view head) {
  connection.answer_bytes = size_in_target(head);
  connection.close_after = starts_with_ignoring_case(field(head, "connection:"), "close");
  if (starts_with_ignoring_case(field(head, "upgrade:"), "websocket")) {
    connection.state = Connection::State::kEcho;
    connection.output +=
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Accept: ";
    connection.output += accept_value(field(head, "sec-websocket-key:")) + "\r\n\r\n";
    return;
  }
  connection.body_left = number<std::size_t>(field(head, "content-length:"));
  if (starts_with_ignoring_case(field(head, "transfer-encoding:"), "chunked"))
    connection.state = Connection::State::kChunkSize;
  else if (connection.body_left > 0)
    connection.state = Connection::State::kLength;
  else
    answer(connection);
}

// Uses up the beginning of `input`; false when more is needed.
bool step(Connection& connection, std::string_view& input) {
  using State = Connection::State;
  switch (connection.state) {
    case State::kHead: {
      const std::size_t end = input.find("\r\n\r\n");
      if (end == std::string_view::npos) return false;
      take_head(connection, input.substr(0, end + 2));
      input.remove_prefix(end + 4);
      return true;
    }
    case State::kChunkSize: {
      const std::size_t end = input.find("\r\n");
      if (end == std::string_view::npos) return false;
      const auto size = number<std::size_t>(input.substr(0, end), 16);
      input.remove_prefix(end + 2);
      connection.last_chunk = size == 0;
      connection.body_left = size + 2;
      connection.state = State::kChunk;
      return true;
    }
    case State::kLength:
    case State::kChunk: {
      if (input.empty()) return false;
      const std::size_t taken = std::min(connection.body_left, input.size());
      input.remove_prefix(taken);
      connection.body_left -= taken;
      if (connection.body_left > 0) return false;
      if (connection.state == State::kChunk && !connection.last_chunk)
        connection.state = State::kChunkSize;
      else
        answer(connection);
      return true;
    }
    case State::kEcho:
      connection.output += input;
      input = {};
      return false;
  }
  return false;
}

// False when the connection is broken. One response at a time: body bytes lie behind the last head.
bool flush(Connection& connection, int epoll) {
  while (!connection.output.empty() || connection.output_body > 0) {
    iovec parts[2] = {
        {connection.output.data(), connection.output.size()},
        {const_cast<char*>(kBody.data()), connection.output_body}
    };
    const ssize_t sent = writev(connection.fd, parts, 2);
    if (sent < 0 && errno != EAGAIN) return false;
    if (sent < 0) break;
    const std::size_t of_head = std::min(connection.output.size(), static_cast<std::size_t>(sent));
    connection.output.erase(0, of_head);
    connection.output_body -= static_cast<std::size_t>(sent) - of_head;
  }
  const bool waits = !connection.output.empty() || connection.output_body > 0;
  if (waits != connection.waits_to_write)
    watch(epoll, EPOLL_CTL_MOD, connection.fd, waits ? EPOLLOUT : EPOLLIN, &connection);
  connection.waits_to_write = waits;
  return true;
}

// False when the connection has ended.
bool serve(Connection& connection, int epoll) {
  if (connection.waits_to_write)
    return flush(connection, epoll) && (connection.waits_to_write || !connection.close_after);
  const ssize_t got = read(connection.fd, read_buffer, sizeof(read_buffer));
  if (got < 0 && errno == EAGAIN) return true;
  if (got <= 0) return false;
  std::string_view input(read_buffer, static_cast<std::size_t>(got));
  if (!connection.input.empty()) {
    connection.input += input;
    input = connection.input;
  }
  // Whatever follows a response waits for its end: proxies do not pipeline.
  while (connection.output_body == 0 && step(connection, input)) continue;
  if (!flush(connection, epoll)) return false;
  connection.input = std::string(input);
  return !connection.close_after || connection.waits_to_write ||
         connection.state != Connection::State::kHead;
}

void accept_all(int listener, int epoll) {
  int fd = -1;
  while ((fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    no_delay(fd);
    auto* connection = new Connection;
    connection->fd = fd;
    watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, connection);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: origin PORT\n");
    return 2;
  }
  const int epoll = must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  const int listener = listen_on_loopback(atoi(argv[1]));
  watch(epoll, EPOLL_CTL_ADD, listener, EPOLLIN, nullptr);
  signal(SIGPIPE, SIG_IGN);
  epoll_event events[kEvents];
  for (;;) {
    const int count = epoll_wait(epoll, events, kEvents, -1);
    for (int i = 0; i < count; ++i) {
      auto* connection = static_cast<Connection*>(events[i].data.ptr);
      if (connection == nullptr) {
        accept_all(listener, epoll);
      } else if (!serve(*connection, epoll)) {
        close(connection->fd);
        delete connection;
      }
    }
  }
}
