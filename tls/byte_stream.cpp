#include "tls/byte_stream.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cerrno>
#include <cstddef>

namespace cppx::tls {
namespace {

ByteStream& stream_of(BIO* bio) noexcept { return *static_cast<ByteStream*>(BIO_get_data(bio)); }

/// Made once and never freed: sessions of any thread refer to it until the process ends.
const BIO_METHOD* method() noexcept;

}  // namespace

extern "C" int cppx_bio_read(BIO* bio, char* into, std::size_t size, std::size_t* got) {
  BIO_clear_retry_flags(bio);
  const ssize_t received = stream_of(bio).receive(into, size);
  *got = received > 0 ? static_cast<std::size_t>(received) : 0;
  if (received < 0 && would_block()) BIO_set_retry_read(bio);
  if (received == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return received > 0 ? 1 : 0;
}

extern "C" int cppx_bio_write(BIO* bio, const char* data, std::size_t size, std::size_t* put) {
  BIO_clear_retry_flags(bio);
  const ssize_t sent = stream_of(bio).send(data, size, false);
  *put = sent > 0 ? static_cast<std::size_t>(sent) : 0;
  if (sent < 0 && would_block()) BIO_set_retry_write(bio);
  return sent > 0 ? 1 : 0;
}

extern "C" long cppx_bio_control(BIO* bio, int command, long, void*) {
  switch (command) {
    case BIO_CTRL_FLUSH:
      return 1;
    case BIO_CTRL_EOF:
      return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
    default:
      return 0;
  }
}

namespace {

const BIO_METHOD* method() noexcept {
  static const BIO_METHOD* const made = [] {
    BIO_METHOD* fresh = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "cppx stream");
    if (fresh != nullptr) {
      BIO_meth_set_read_ex(fresh, cppx_bio_read);
      BIO_meth_set_write_ex(fresh, cppx_bio_write);
      BIO_meth_set_ctrl(fresh, cppx_bio_control);
    }
    return fresh;
  }();
  return made;
}

}  // namespace

bool attach(SSL* ssl, ByteStream& stream) noexcept {
  BIO* bio = method() == nullptr ? nullptr : BIO_new(method());
  if (bio == nullptr) return false;
  BIO_set_data(bio, &stream);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  return true;
}

bool would_block() noexcept { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

// To empty an empty queue costs as much as a full one, some tenths of a microsecond.
void forget_errors() noexcept {
  if (ERR_peek_error() != 0) ERR_clear_error();
}

}  // namespace cppx::tls
