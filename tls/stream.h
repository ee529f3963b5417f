#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "tls/byte_stream.h"
#include "tls/kept_bytes.h"
#include "tls/record_layer.h"
#include "tls/record_limit.h"
#include "tls/server_context.h"
#include "tls/stream_result.h"
#include "tls/traffic_secrets.h"

namespace cppx::tls {

/// TLS on a ByteStream. OpenSSL makes the handshake; after one of TLS 1.3 on the server's side it
/// has done its part and is let go: a RecordLayer, a tenth as large, carries the data. Belongs to
/// one thread. Neither throws nor allocates in a steady state.
class Stream final : private ByteStream {
 public:
  /// `ssl` says which side it is; `below` must outlive it. Null when out of memory.
  static std::unique_ptr<Stream> create(SslPtr ssl, ByteStream& below) noexcept;

  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// One step of the handshake.
  StreamResult handshake() noexcept;
  StreamResult read(std::span<char> into) noexcept;
  /// Writes some of `pieces`, in order, none of them empty. After kWantWrite the same pieces must
  /// be given again.
  StreamResult write(std::span<const iovec> pieces) noexcept;
  /// Ends our side, if the handshake was over; `more` as with ByteStream::send().
  void close_notify(bool more) noexcept;
  /// Whether received bytes lie here, so that to wait for more would be wrong.
  [[nodiscard]] bool has_buffered_input() const noexcept;

  // What the handshake agreed on; empty where there is nothing.
  /// RFC 7301; one of those that cppx offers.
  [[nodiscard]] std::string_view alpn() const noexcept { return alpn_; }
  /// Its version, as OpenSSL names it, and that of the suite.
  [[nodiscard]] std::string_view protocol() const noexcept { return protocol_; }
  [[nodiscard]] std::string_view cipher() const noexcept { return cipher_; }
  /// RFC 6066 3; lives as long as the stream.
  [[nodiscard]] std::string_view server_name() const noexcept { return server_name_; }

 private:
  struct Handshake;

  Stream(SslPtr ssl, ByteStream& below) noexcept;
  ssize_t receive(char* into, std::size_t size) noexcept override;
  ssize_t send(const char* data, std::size_t size, bool more) noexcept override;
  StreamResult result_of(int returned) noexcept;
  /// Whether the bytes below have ended within a record of OpenSSL's.
  [[nodiscard]] bool is_cut_off() const noexcept;
  StreamResult write_with_openssl(std::span<const iovec> pieces) noexcept;
  void on_handshake_over() noexcept;
  void keep_agreed() noexcept;
  /// Null where OpenSSL has to go on.
  std::unique_ptr<RecordLayer> record_layer() noexcept;

  ByteStream& below_;
  SslPtr ssl_;
  std::unique_ptr<Handshake> handshake_;
  std::unique_ptr<RecordLayer> records_;  // or ssl_
  std::string_view alpn_;
  std::string_view protocol_;
  std::string_view cipher_;
  std::string server_name_;
  RecordLimit limit_;  // of what ssl_ reads
  bool more_ = false;  // while what is written is not the last for now
};

}  // namespace cppx::tls
