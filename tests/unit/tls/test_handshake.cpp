#include "tests/unit/tls/test_handshake.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

namespace cppx::tls::test {
namespace {

enum class Step { kDone, kAgain, kFailed };

Step step_of(SSL* ssl, int result) {
  if (result == 1) return Step::kDone;
  const int error = SSL_get_error(ssl, result);
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? Step::kAgain
                                                                       : Step::kFailed;
}

std::string common_name_of(X509* certificate) {
  std::array<char, 256> text{};
  if (certificate == nullptr ||
      X509_NAME_get_text_by_NID(
          X509_get_subject_name(certificate), NID_commonName, text.data(), text.size()
      ) < 0)
    return "(none)";
  return text.data();
}

/// Sends `text` and gives what arrives at the other end.
std::string carry(SSL* from, SSL* to, std::string_view text) {
  if (SSL_write(from, text.data(), static_cast<int>(text.size())) <= 0) return "(not sent)";
  std::array<char, 64> buffer{};
  const int length = SSL_read(to, buffer.data(), buffer.size());
  return length > 0 ? std::string(buffer.data(), static_cast<std::size_t>(length)) : "(nothing)";
}

}  // namespace

Connection::Connection(ServerContext& context, const SniTable& table, ClientOptions options)
    : on_session_elsewhere_(options.on_session_elsewhere),
      handshake_{
          .certificates = table,
          .http2 = options.server_http2,
          .elsewhere = on_session_elsewhere_ ? &elsewhere_ : nullptr
      },
      client_context_(SSL_CTX_new(TLS_client_method())) {
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets_) != 0)
    throw std::runtime_error("socketpair");
  // Level 0: what is refused is refused by the server.
  SSL_CTX_set_security_level(client_context_.get(), 0);
  client_ = SSL_new(client_context_.get());
  SSL_set_fd(client_, sockets_[1]);
  SSL_set_connect_state(client_);
  bool set = SSL_set_min_proto_version(client_, options.min_version) == 1 &&
             SSL_set_max_proto_version(client_, options.max_version) == 1;
  if (options.server_name)
    set = set && SSL_set_tlsext_host_name(client_, options.server_name->c_str()) == 1;
  std::string alpn;
  for (const std::string& protocol : options.alpn)
    alpn += static_cast<char>(protocol.size()) + protocol;
  if (!alpn.empty())
    set = set && SSL_set_alpn_protos(
                     client_, reinterpret_cast<const unsigned char*>(alpn.data()),
                     static_cast<unsigned>(alpn.size())
                 ) == 0;
  if (options.session != nullptr) set = set && SSL_set_session(client_, options.session) == 1;
  if (!options.signature_algorithms.empty())
    set = set && SSL_set1_sigalgs_list(client_, options.signature_algorithms.data()) == 1;
  if (!options.client_groups.empty())
    set = set && SSL_set1_groups_list(client_, options.client_groups.data()) == 1;
  if (!options.ciphers.empty())
    set = set && SSL_set_cipher_list(client_, options.ciphers.c_str()) == 1;
  server_ = context.accept(handshake_);
  set = set && server_ && SSL_set_fd(server_.get(), sockets_[0]) == 1;
  if (!options.server_groups.empty())
    set = set && SSL_set1_groups_list(server_.get(), options.server_groups.data()) == 1;
  if (!set || !server_) throw std::runtime_error("connection: " + last_error_text());
  shake_hands(options.late_session);
}

void Connection::shake_hands(SSL_SESSION* late_session) {
  Step client = Step::kAgain;
  Step server = Step::kAgain;
  // Each round moves at least one flight; a handshake has four.
  for (int round = 0; round < 16; ++round) {
    if (client == Step::kAgain) {
      ERR_clear_error();
      // The first ClientHello has gone by then.
      if (round == 1 && late_session != nullptr) SSL_set_session(client_, late_session);
      client = step_of(client_, SSL_do_handshake(client_));
      if (client == Step::kFailed) client_error_ = ERR_GET_REASON(ERR_peek_error());
    }
    if (server == Step::kAgain) {
      ERR_clear_error();
      const int returned = SSL_do_handshake(server_.get());
      server = step_of(server_.get(), returned);
      if (SSL_get_error(server_.get(), returned) == SSL_ERROR_WANT_CLIENT_HELLO_CB) {
        server = Step::kAgain;
        on_session_elsewhere_(elsewhere_);
      }
    }
    if (client != Step::kAgain && server != Step::kAgain) break;
    if (client == Step::kFailed) break;
  }
  ERR_clear_error();
  established_ = client == Step::kDone && server == Step::kDone;
}

Connection::~Connection() {
  SslDeleter()(client_);  // keeps the client's session resumable

  server_.reset();
  for (const int socket : sockets_) ::close(socket);
  ERR_clear_error();
}

std::string Connection::shown_name() const {
  return common_name_of(SSL_get0_peer_certificate(client_));
}

std::vector<std::string> Connection::shown_chain() const {
  std::vector<std::string> names;
  const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(client_);
  for (int i = 0; i < sk_X509_num(chain); ++i)
    names.push_back(common_name_of(sk_X509_value(chain, i)));
  return names;
}

std::string Connection::alpn() const {
  const unsigned char* data = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(client_, &data, &length);
  return data == nullptr ? std::string() : std::string(data, data + length);
}

bool Connection::echo() {
  return carry(client_, server_.get(), "question") == "question" &&
         carry(server_.get(), client_, "answer") == "answer";
}

void Connection::drop_client() { ::shutdown(sockets_[1], SHUT_RDWR); }

SessionPtr Connection::close_and_take_session() {
  // TLS 1.3 sends sessions after the handshake: they are taken in with the first data.
  if (!echo()) throw std::runtime_error("no data passes");
  SSL_shutdown(client_);
  SSL_shutdown(server_.get());
  SSL_shutdown(client_);
  return SessionPtr(SSL_get1_session(client_));
}

std::shared_ptr<const Certificate> certificate_named(std::string_view name, KeyKind kind) {
  const Issued issued = issue({.common_name = std::string(name)}, kind);
  auto result = Certificate::from_pem(pem_of(issued.certificate.get()), pem_of(issued.key.get()));
  if (!result) throw std::runtime_error(result.error().detail);
  return *result;
}

}  // namespace cppx::tls::test
