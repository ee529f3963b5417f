#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "base/descriptor.h"
#include "proxy/coro/task.h"
#include "proxy/stream/downstream.h"
#include "proxy/stream/local_reply.h"
#include "proxy/stream/stream.h"
#include "proxy/stream/stream_state.h"

namespace cppx::proxy {

class Http2Server;
class Worker;

/// One client connection: TLS handshake, then one request after the other, then an orderly end.
/// While it waits for a request it holds no buffer.
class Connection {
 public:
  /// `number` is unique in the process.
  Connection(
      Worker& worker, const Listener& listener, const ClientAddress& client, std::uint64_t number
  );
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// False when out of memory.
  [[nodiscard]] bool assign(Descriptor socket);

  /// The whole life of the connection; run once.
  Task<void> serve();

  /// It is to end after a response, not before the next one was asked for.
  void wind_down() noexcept;
  /// Closes it if no request is in progress; otherwise it ends with the one in progress.
  void drain() noexcept;
  /// What the client has begun to say, a handshake or a head, is to be there soon.
  void hasten() noexcept;
  /// Cuts it: serve() ends soon.
  void cut() noexcept;
  [[nodiscard]] bool is_cut() const noexcept { return cut_; }

 private:
  enum class HeadResult : std::uint8_t { kHead, kClose, kAnswered, kHttp2 };
  /// What becomes of the connection after a request.
  enum class Next : std::uint8_t {
    kRequest,
    kHttp2,   ///< It goes on in HTTP/2.
    kClose,   ///< In an orderly way.
    kLinger,  ///< In an orderly way, after throwing away what the client still sends.
    kAbort,   ///< With a reset: the response is not complete, and the client must notice.
  };

  /// Where use-proxy-protocol is on, the one that comes first. False: it is to be closed.
  Task<bool> proxy_header();
  Task<bool> handshake();
  Task<Next> serve_http1();
  Task<Next> serve_http2();
  Task<Next> serve_request();
  Task<void> end(Next how);
  /// `first` is the first byte that has come, and is still to be read. The deadline stays armed.
  /// kCancelled: its place was needed, or it is cut.
  Task<IoStatus> wait_for_first_byte(std::chrono::milliseconds patience, unsigned char& first);
  Task<bool> wait_for_request();
  IoStatus read_what_is_there();
  Task<HeadResult> read_head();
  /// `head`: as far as it could be read; null: not at all.
  Task<HeadResult> refuse(std::uint16_t status, const routing::RequestHead* head = nullptr);
  Task<void> write_reply_and_close(LocalReply reply, const routing::RequestHead* head);
  Task<void> linger();
  /// Makes room for a longer head; false when it is as long as allowed.
  bool grow_input(std::uint32_t limit_bytes);
  [[nodiscard]] std::uint16_t head_error(http1::HeadParser::Status status) const noexcept;

  Worker& worker_;
  Downstream downstream_;
  std::unique_ptr<StreamState> state_;
  Stream* stream_ = nullptr;      // the one in progress; lives in serve()
  Http2Server* http2_ = nullptr;  // once the connection speaks it; lives in serve_http2()
  bool idle_ = false;             // waiting for the first byte of a request
  bool listening_ = false;        // to the rest of it, or of a handshake
  bool announcing_ = false;       // it has begun a PROXY header
  bool cut_ = false;
  bool draining_ = false;
};

}  // namespace cppx::proxy
