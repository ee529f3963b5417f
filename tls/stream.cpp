#include "tls/stream.h"

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "tls/byte_stream.h"
#include "tls/kept_bytes.h"
#include "tls/key_derivation.h"
#include "tls/record_layer.h"
#include "tls/record_protection.h"
#include "tls/server_context.h"
#include "tls/stream_result.h"
#include "tls/traffic_secrets.h"

namespace cppx::tls {
namespace {

/// Counts the records in a stream of bytes that begins with one.
class RecordCounter {
 public:
  void count(Bytes bytes) noexcept {
    while (!bytes.empty()) {
      if (payload_ != 0) {
        const std::size_t part = std::min(payload_, bytes.size());
        payload_ -= part;
        bytes = bytes.subspan(part);
        continue;
      }
      header_[header_bytes_++] = bytes.front();
      bytes = bytes.subspan(1);
      if (header_bytes_ < header_.size()) continue;
      header_bytes_ = 0;
      payload_ = static_cast<std::size_t>(header_[3]) << 8U | header_[4];
      ++records_;
    }
  }
  [[nodiscard]] std::uint64_t records() const noexcept { return records_; }

 private:
  std::array<unsigned char, kRecordHeaderBytes> header_{};
  std::size_t header_bytes_ = 0;
  std::size_t payload_ = 0;
  std::uint64_t records_ = 0;
};

/// Whether all that is left for a server to send in its handshake are session tickets, which nobody
/// waits for (RFC 8446 4.6.1): its Finished is out.
bool only_tickets_left(SSL* ssl) noexcept {
  unsigned char first = 0;
  return SSL_is_server(ssl) == 1 && SSL_version(ssl) == TLS1_3_VERSION &&
         SSL_get_finished(ssl, &first, sizeof(first)) != 0;
}

/// What a client may ask for (RFC 6066 4), as small devices do.
std::size_t content_max_of(const SSL_SESSION* session) noexcept {
  switch (SSL_SESSION_get_max_fragment_length(session)) {
    case TLSEXT_max_fragment_length_512:
      return 512;
    case TLSEXT_max_fragment_length_1024:
      return 1024;
    case TLSEXT_max_fragment_length_2048:
      return 2048;
    case TLSEXT_max_fragment_length_4096:
      return 4096;
    default:
      return kRecordContentMax;
  }
}

}  // namespace

/// Of a server: what OpenSSL is given to read is read ahead here, so that it has no more of it than
/// the handshake.
struct Stream::Handshake {
  TrafficSecrets secrets;
  RecordCounter sent;       // with the server's traffic secret
  KeptBytes received;       // between two steps
  MutableBytes ahead;       // within a step: what was received and not taken yet
  MutableBytes read_ahead;  // within a step: where to receive to
};

Stream::~Stream() = default;

Stream::Stream(SslPtr ssl, ByteStream& below) noexcept : below_(below), ssl_(std::move(ssl)) {}

std::unique_ptr<Stream> Stream::create(SslPtr ssl, ByteStream& below) noexcept {
  const bool server = SSL_is_server(ssl.get()) == 1;
  std::unique_ptr<Stream> made(new (std::nothrow) Stream(std::move(ssl), below));
  if (!made || !attach(made->ssl_.get(), *made)) return nullptr;
  made->limit_.watch(made->ssl_.get());
  if (server) {
    made->handshake_.reset(new (std::nothrow) Handshake);
    if (!made->handshake_) return nullptr;
    SSL_set_read_ahead(made->ssl_.get(), 0);
  }
  return made;
}

ssize_t Stream::receive(char* into, std::size_t size) noexcept {
  if (limit_.exceeded()) {
    errno = ECONNABORTED;
    return -1;
  }
  if (!handshake_) return below_.receive(into, size);
  Handshake& handshake = *handshake_;
  if (!handshake.received.empty())
    return static_cast<ssize_t>(
        handshake.received.take(reinterpret_cast<unsigned char*>(into), size)
    );
  if (handshake.ahead.empty() && !handshake.read_ahead.empty()) {
    const ssize_t came = below_.receive(
        reinterpret_cast<char*>(handshake.read_ahead.data()), handshake.read_ahead.size()
    );
    if (came <= 0) return came;
    handshake.ahead = handshake.read_ahead.first(static_cast<std::size_t>(came));
  }
  if (handshake.ahead.empty()) return below_.receive(into, size);
  const std::size_t taken = std::min(size, handshake.ahead.size());
  std::memcpy(into, handshake.ahead.data(), taken);
  handshake.ahead = handshake.ahead.subspan(taken);
  return static_cast<ssize_t>(taken);
}

ssize_t Stream::send(const char* data, std::size_t size, bool more) noexcept {
  const ssize_t sent = below_.send(data, size, more || more_);
  // The client's Finished has come by then, and so ours was sent (RFC 8446 4.4.4).
  if (sent > 0 && handshake_ && handshake_->secrets.client)
    handshake_->sent.count(
        {reinterpret_cast<const unsigned char*>(data), static_cast<std::size_t>(sent)}
    );
  return sent;
}

StreamResult Stream::result_of(int returned) noexcept {
  switch (SSL_get_error(ssl_.get(), returned)) {
    case SSL_ERROR_WANT_READ:
      return {StreamStatus::kWantRead};
    case SSL_ERROR_WANT_WRITE:
      return {StreamStatus::kWantWrite};
    case SSL_ERROR_WANT_CLIENT_HELLO_CB:
      return {StreamStatus::kWantSession};
    case SSL_ERROR_ZERO_RETURN:
      return {StreamStatus::kEof};
    default:
      forget_errors();
      return {StreamStatus::kError};
  }
}

StreamResult Stream::handshake() noexcept {
  // The kernel may keep tickets back (for 200 ms at most) to send them with the first response.
  // Unless what is left of its flight is what the socket had no room for.
  more_ = only_tickets_left(ssl_.get()) && SSL_want_write(ssl_.get()) == 0;
  forget_errors();
  if (!handshake_) {
    const int returned = SSL_do_handshake(ssl_.get());
    if (returned != 1) return result_of(returned);
    on_handshake_over();
    return {};
  }
  // Not initialised: filled as far as it is used.
  std::array<unsigned char, kRecordMax> memory;
  handshake_->read_ahead = memory;
  int returned = 0;
  {
    const TrafficSecretsScope scope(handshake_->secrets);
    returned = SSL_do_handshake(ssl_.get());
  }
  more_ = false;
  const StreamResult result = returned == 1 ? StreamResult{} : result_of(returned);
  handshake_->read_ahead = {};
  const MutableBytes ahead = std::exchange(handshake_->ahead, {});
  if (!ahead.empty() && !handshake_->received.assign(ahead)) return {StreamStatus::kError};
  if (returned == 1) on_handshake_over();
  return result;
}

void Stream::on_handshake_over() noexcept {
  keep_agreed();
  if (!handshake_) return;
  records_ = record_layer();
  if (records_) {
    ssl_.reset();
    handshake_.reset();
    return;
  }
  // A record in one read of the socket instead of two.
  SSL_set_read_ahead(ssl_.get(), 1);
  if (handshake_->received.empty()) handshake_.reset();
}

void Stream::keep_agreed() noexcept {
  const unsigned char* protocol = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &protocol, &size);
  const std::string_view chosen(reinterpret_cast<const char*>(protocol), size);
  for (const std::string_view known : {"h2", "http/1.1"})
    if (chosen == known) alpn_ = known;
  protocol_ = SSL_get_version(ssl_.get());
  if (const char* name = SSL_get_cipher_name(ssl_.get())) cipher_ = name;
  if (const char* name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name))
    server_name_ = name;
}

std::unique_ptr<RecordLayer> Stream::record_layer() noexcept {
  const SSL_CIPHER* const cipher = SSL_get_current_cipher(ssl_.get());
  if (SSL_version(ssl_.get()) != TLS1_3_VERSION || cipher == nullptr) return nullptr;
  const RecordSuite* const suite = record_suite(SSL_CIPHER_get_protocol_id(cipher));
  if (suite == nullptr || SSL_has_pending(ssl_.get()) == 1) return nullptr;
  // Null without the secrets: another provider has derived them.
  return RecordLayer::create(
      {.suite = *suite,
       .secrets = handshake_->secrets,
       .sent = handshake_->sent.records(),
       .received = handshake_->received.bytes(),
       .content_max = content_max_of(SSL_get_session(ssl_.get()))},
      below_
  );
}

StreamResult Stream::read(std::span<char> into) noexcept {
  if (records_) return records_->read(into);
  forget_errors();
  limit_.start_read();
  std::size_t got = 0;
  const int returned = SSL_read_ex(ssl_.get(), into.data(), into.size(), &got);
  if (handshake_ && handshake_->received.empty()) handshake_.reset();
  if (returned == 1) return {StreamStatus::kOk, got};
  const StreamResult result = result_of(returned);
  // To OpenSSL, as it is set up, any end is close_notify.
  if (result.status == StreamStatus::kEof && is_cut_off()) return {StreamStatus::kError};
  return result;
}

bool Stream::is_cut_off() const noexcept {
  // Between a header and what follows it nothing is pending.
  return BIO_eof(SSL_get_rbio(ssl_.get())) == 1 &&
         (SSL_has_pending(ssl_.get()) == 1 ||
          std::string_view(SSL_rstate_string(ssl_.get())) == "RB");
}

StreamResult Stream::write(std::span<const iovec> pieces) noexcept {
  return records_ ? records_->write(pieces) : write_with_openssl(pieces);
}

StreamResult Stream::write_with_openssl(std::span<const iovec> pieces) noexcept {
  // Pieces are gathered into one record, so that a head and a short body are not two.
  const void* data = pieces.front().iov_base;
  std::size_t size = pieces.front().iov_len;
  std::array<char, kRecordContentMax> record;  // not initialised: filled as far as it is used
  if (pieces.size() > 1 && size < record.size()) {
    size = 0;
    for (const iovec& piece : pieces) {
      const std::size_t part = std::min(piece.iov_len, record.size() - size);
      std::memcpy(record.data() + size, piece.iov_base, part);
      size += part;
      if (size == record.size()) break;
    }
    data = record.data();
  }
  // A record follows at once: the kernel is to send both together.
  std::size_t total = 0;
  for (const iovec& piece : pieces) total += piece.iov_len;
  more_ = total > std::min(size, record.size());
  forget_errors();
  std::size_t written = 0;
  const int returned = SSL_write_ex(ssl_.get(), data, size, &written);
  more_ = false;
  if (returned == 1) return {StreamStatus::kOk, written};
  return result_of(returned);
}

void Stream::close_notify(bool more) noexcept {
  if (records_) return records_->close_notify(more);
  if (SSL_is_init_finished(ssl_.get()) != 1) return;
  more_ = more;
  forget_errors();
  SSL_shutdown(ssl_.get());
  forget_errors();
  more_ = false;
}

bool Stream::has_buffered_input() const noexcept {
  if (records_) return records_->has_buffered_input();
  return SSL_has_pending(ssl_.get()) == 1 || (handshake_ && !handshake_->received.empty());
}

}  // namespace cppx::tls
