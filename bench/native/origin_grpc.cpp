// The backend of the gRPC workload: HTTP/2 without TLS, one thread, on nghttp2.
//
//   origin_grpc PORT
//
// Every call is answered, when all of its request has come, by one message of 128 bytes and the
// trailer grpc-status: 0.
#include <nghttp2/nghttp2.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>

#include "bench/native/sockets.h"

namespace {

constexpr std::size_t kMessageBytes = 128;
constexpr int kEvents = 512;

// Length-prefixed message of gRPC: not compressed, four bytes of length.
const std::string kMessage = std::string("\0\0\0\0\x80", 5) + std::string(kMessageBytes, 'x');
unsigned char read_buffer[64 * 1024];

nghttp2_nv header(std::string_view name, std::string_view value) {
  auto* const name_bytes = reinterpret_cast<uint8_t*>(const_cast<char*>(name.data()));
  auto* const value_bytes = reinterpret_cast<uint8_t*>(const_cast<char*>(value.data()));
  constexpr uint8_t kFlags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE;
  return {name_bytes, value_bytes, name.size(), value.size(), kFlags};
}

ssize_t read_message(
    nghttp2_session* session, int32_t stream, uint8_t* out, size_t size, uint32_t* flags,
    nghttp2_data_source* /*source*/, void* /*user*/
) {
  if (size < kMessage.size()) return NGHTTP2_ERR_CALLBACK_FAILURE;
  std::copy(kMessage.begin(), kMessage.end(), out);
  *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
  const nghttp2_nv trailer = header("grpc-status", "0");
  nghttp2_submit_trailer(session, stream, &trailer, 1);
  return static_cast<ssize_t>(kMessage.size());
}

int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* /*user*/) {
  const bool of_request = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
  if (!of_request || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
  const nghttp2_nv head[] = {header(":status", "200"), header("content-type", "application/grpc")};
  nghttp2_data_provider body{};
  body.read_callback = read_message;
  return nghttp2_submit_response(session, frame->hd.stream_id, head, 2, &body);
}

struct Connection {
  int fd = -1;
  nghttp2_session* session = nullptr;
  std::string output;
  bool waits_to_write = false;
};

Connection* make_connection(int fd) {
  auto* connection = new Connection;
  connection->fd = fd;
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  nghttp2_session_server_new(&connection->session, callbacks, connection);
  nghttp2_session_callbacks_del(callbacks);
  const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1000}};
  nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings, 1);
  return connection;
}

void destroy(Connection* connection) {
  close(connection->fd);
  nghttp2_session_del(connection->session);
  delete connection;
}

// False when the connection is broken.
bool flush(Connection& connection, int epoll) {
  const uint8_t* piece = nullptr;
  for (ssize_t size = 0; (size = nghttp2_session_mem_send(connection.session, &piece)) != 0;) {
    if (size < 0) return false;
    connection.output.append(reinterpret_cast<const char*>(piece), static_cast<size_t>(size));
  }
  if (!connection.output.empty()) {
    const ssize_t sent = write(connection.fd, connection.output.data(), connection.output.size());
    if (sent < 0 && errno != EAGAIN) return false;
    if (sent > 0) connection.output.erase(0, static_cast<size_t>(sent));
  }
  const bool waits = !connection.output.empty();
  if (waits != connection.waits_to_write)
    watch(epoll, EPOLL_CTL_MOD, connection.fd, waits ? EPOLLIN | EPOLLOUT : EPOLLIN, &connection);
  connection.waits_to_write = waits;
  return true;
}

// False when the connection has ended.
bool serve(Connection& connection, int epoll) {
  const ssize_t got = read(connection.fd, read_buffer, sizeof(read_buffer));
  if (got == 0 || (got < 0 && errno != EAGAIN)) return false;
  if (got > 0 &&
      nghttp2_session_mem_recv(connection.session, read_buffer, static_cast<size_t>(got)) < 0)
    return false;
  if (!flush(connection, epoll)) return false;
  return nghttp2_session_want_read(connection.session) != 0 ||
         nghttp2_session_want_write(connection.session) != 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: origin_grpc PORT\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  const int epoll = must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  const int listener = listen_on_loopback(atoi(argv[1]));
  watch(epoll, EPOLL_CTL_ADD, listener, EPOLLIN, nullptr);
  epoll_event events[kEvents];
  for (;;) {
    const int count = epoll_wait(epoll, events, kEvents, -1);
    for (int i = 0; i < count; ++i) {
      auto* connection = static_cast<Connection*>(events[i].data.ptr);
      if (connection == nullptr) {
        const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) continue;
        no_delay(fd);
        watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, make_connection(fd));
      } else if (!serve(*connection, epoll)) {
        destroy(connection);
      }
    }
  }
}
