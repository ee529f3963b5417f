#include "tls/record_limit.h"

#include <openssl/ssl.h>

#include <cstddef>

namespace cppx::tls {

// OpenSSL tells of a header before it looks at the record. It tells of nothing else when a client
// renegotiates while our data is on its way: its alert has to wait.
extern "C" void cppx_tls_on_message(
    int write, int, int type, const void* message, std::size_t size, SSL* ssl, void* limit
) {
  if (write != 0 || type != SSL3_RT_HEADER || size == 0) return;
  // A server may ask for it (HelloRequest, RFC 5246 7.4.1.1) and go on without.
  const bool renegotiates =
      *static_cast<const unsigned char*>(message) == SSL3_RT_HANDSHAKE && SSL_is_server(ssl) == 1;
  static_cast<RecordLimit*>(limit)->on_record(renegotiates);
}

void RecordLimit::watch(SSL* ssl) noexcept {
  SSL_set_msg_callback(ssl, cppx_tls_on_message);
  SSL_set_msg_callback_arg(ssl, this);
}

void RecordLimit::start_read() noexcept { left_ = kRecordsPerRead; }

// The header comes first: what belongs to the last record that is allowed is still to be read.
void RecordLimit::on_record(bool renegotiates) noexcept {
  if (left_ == kHandshake || exceeded_) return;
  if (renegotiates || left_ == 0)
    exceeded_ = true;
  else
    --left_;
}

}  // namespace cppx::tls
