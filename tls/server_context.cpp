#include "tls/server_context.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "tls/certificate.h"
#include "tls/key_derivation.h"
#include "tls/library.h"
#include "tls/openssl.h"
#include "tls/sessions.h"
#include "tls/sni_table.h"

namespace cppx::tls {
namespace {

/// TLS 1.2 suites of ingress-nginx in its order. Its DHE suites are left out: they need DH
/// parameters, which it has none of by default either, so they are never chosen.
constexpr const char* kCiphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

/// OpenSSL's own, in its order, without those that are too weak for kSecurityBits or that no
/// certificate here can have: all pairs of the client's and ours are looked at in each handshake.
constexpr const char* kSignatureAlgorithms =
    "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:ed448:"
    "rsa_pss_pss_sha256:rsa_pss_pss_sha384:rsa_pss_pss_sha512:"
    "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:"
    "RSA+SHA256:RSA+SHA384:RSA+SHA512";

/// OpenSSL's level for kSecurityBits.
constexpr int kSecurityLevel = 2;
constexpr std::chrono::seconds kSessionTimeout = std::chrono::minutes(10);
/// What one takes in the cache, as measured with a full one.
constexpr std::uint64_t kSessionBytes = 1223;
/// Of the memory limit, for the sessions of all contexts.
constexpr std::uint64_t kSessionsPercent = 5;

// In our order of preference; the second part alone where HTTP/2 is off.
constexpr std::array<unsigned char, 12> kAlpnProtocols = {2,   'h', '2', 8,   'h', 't',
                                                          't', 'p', '/', '1', '.', '1'};
constexpr std::size_t kAlpnHttp2Bytes = 3;

/// The host name of a server_name extension (RFC 6066 3); empty when there is none or it is
/// malformed, which OpenSSL answers itself later.
std::string_view host_name_of(std::span<const unsigned char> extension) noexcept {
  constexpr std::size_t kHeader = 5;  // length of the list, type, length of the name
  constexpr unsigned char kHostName = 0;
  if (extension.size() <= kHeader || extension[2] != kHostName) return {};
  const auto name = extension.subspan(kHeader);
  const auto length = static_cast<std::size_t>(extension[3]) << 8U | extension[4];
  if (length != name.size()) return {};
  return {reinterpret_cast<const char*>(name.data()), name.size()};
}

std::string_view server_name_of(SSL* ssl) noexcept {
  const unsigned char* data = nullptr;
  std::size_t length = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &length) == 0) return {};
  return host_name_of({data, length});
}

const HandshakeOptions* options_of(const SSL* ssl) noexcept {
  return static_cast<const HandshakeOptions*>(SSL_get_app_data(ssl));
}

/// Where the certificate that the ClientHello chose waits for the handshake to need it.
int certificate_index() noexcept {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

/// A session is resumed only under the server name and certificate that it was made for (RFC 6066
/// 3): OpenSSL itself checks the name for TLS 1.3 early data only.
bool bind_sessions(SSL* ssl, std::string_view server_name, const Certificate& certificate) {
  if (server_name.ends_with('.')) server_name.remove_suffix(1);
  const auto digest = sha256(bytes_of(certificate.fingerprint()), bytes_of(to_lower(server_name)));
  static_assert(digest.size() <= SSL_MAX_SID_CTX_LENGTH);
  return SSL_set_session_id_context(ssl, digest.data(), digest.size()) == 1;
}

/// Whether the handshake is to wait for a session of another context, once.
bool asks_for_session(SSL* ssl, SessionElsewhere* elsewhere) noexcept {
  if (elsewhere == nullptr || elsewhere->asked_for) return false;
  const auto* const sessions =
      static_cast<const Sessions*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  const auto wanted = sessions == nullptr ? std::nullopt : sessions->elsewhere(ssl);
  if (wanted) *elsewhere = *wanted;
  return wanted.has_value();
}

}  // namespace

// Runs before OpenSSL looks for a session to resume, which the servername callback does not.
extern "C" int cppx_tls_on_client_hello(SSL* ssl, int* alert, void*) {
  if (const HandshakeOptions* options = options_of(ssl)) {
    if (asks_for_session(ssl, options->elsewhere)) return SSL_CLIENT_HELLO_RETRY;
    const std::string_view name = server_name_of(ssl);
    const Certificate& certificate = options->certificates.find(name);
    if (SSL_set_ex_data(ssl, certificate_index(), const_cast<Certificate*>(&certificate)) == 1 &&
        bind_sessions(ssl, name, certificate))
      return SSL_CLIENT_HELLO_SUCCESS;
  }
  *alert = SSL_AD_INTERNAL_ERROR;
  return SSL_CLIENT_HELLO_ERROR;
}

// Runs when no session is resumed: only then a certificate is needed.
extern "C" int cppx_tls_on_certificate(SSL* ssl, void*) {
  const auto* certificate =
      static_cast<const Certificate*>(SSL_get_ex_data(ssl, certificate_index()));
  const HandshakeOptions* options = options_of(ssl);
  if (certificate == nullptr || options == nullptr) return 0;
  return certificate->use_for(ssl) || options->certificates.fallback().use_for(ssl) ? 1 : 0;
}

// The certificate is chosen by now; what is left is whether to acknowledge the name.
extern "C" int cppx_tls_on_server_name(SSL* ssl, int*, void*) {
  return SSL_get_servername_type(ssl) == TLSEXT_NAMETYPE_host_name ? SSL_TLSEXT_ERR_OK
                                                                   : SSL_TLSEXT_ERR_NOACK;
}

// A client that offers protocols and none of ours gets the alert no_application_protocol (RFC 7301
// 3.2, and nginx since 1.21.4): going on in a protocol that it did not offer ends in bytes that it
// cannot read. A client without ALPN never comes here and speaks HTTP/1.1.
extern "C" int
cppx_tls_on_alpn(SSL* ssl, const unsigned char** chosen, unsigned char* chosen_length, const unsigned char* offered, unsigned int offered_length, void*) {
  const HandshakeOptions* options = options_of(ssl);
  std::span<const unsigned char> ours = kAlpnProtocols;
  if (options == nullptr || !options->http2) ours = ours.subspan(kAlpnHttp2Bytes);
  unsigned char* match = nullptr;
  if (SSL_select_next_proto(
          &match, chosen_length, ours.data(), static_cast<unsigned>(ours.size()), offered,
          offered_length
      ) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *chosen = match;
  return SSL_TLSEXT_ERR_OK;
}

// OpenSSL drops the session of a connection that ends without close_notify, as SSL 3.0 asked for;
// RFC 5246 7.2.1 no longer does. After a fatal alert of the handshake it has dropped it already.
void SslDeleter::operator()(SSL* ssl) const noexcept {
  if (ssl != nullptr) SSL_set_shutdown(ssl, SSL_get_shutdown(ssl) | SSL_SENT_SHUTDOWN);
  SSL_free(ssl);
}

struct ServerContext::Impl {
  SslCtxPtr context;
  Sessions sessions;
};

namespace {

bool set_protocols(SSL_CTX* context) {
  SSL_CTX_set_security_level(
      context, std::max(kSecurityLevel, SSL_CTX_get_security_level(context))
  );
  SSL_CTX_set_options(
      context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                   SSL_OP_NO_TICKET |
                   // HTTP says itself where a message ends; few clients send close_notify.
                   SSL_OP_IGNORE_UNEXPECTED_EOF
  );
  return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set_cipher_list(context, kCiphers) == 1 &&
         SSL_CTX_set1_sigalgs_list(context, const_cast<char*>(kSignatureAlgorithms)) == 1;
}

void set_input_and_output(SSL_CTX* context) {
  SSL_CTX_set_mode(
      context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                   SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                   // The Secret holds the whole chain; no search for issuers at each handshake.
                   SSL_MODE_NO_AUTO_CHAIN
  );
  // A record in one read of the socket instead of two.
  SSL_CTX_set_read_ahead(context, 1);
}

void set_sessions(SSL_CTX* context, std::size_t sessions) {
  // One for each connection: whoever resumes gets another one. Each costs a derivation, a place in
  // the cache and a record.
  SSL_CTX_set_num_tickets(context, 1);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_SERVER);
  SSL_CTX_sess_set_cache_size(context, static_cast<long>(sessions));
  SSL_CTX_set_timeout(context, kSessionTimeout.count());
}

}  // namespace

std::size_t sessions_within(std::uint64_t limit_bytes, std::uint32_t contexts) noexcept {
  if (limit_bytes == 0) return kMostSessions;
  const std::uint64_t share = limit_bytes / 100 * kSessionsPercent / std::max(contexts, 1U);
  return std::clamp<std::uint64_t>(share / kSessionBytes, kLeastSessions, kMostSessions);
}

Result<std::unique_ptr<ServerContext>> ServerContext::create(
    ContextNumber number, std::size_t sessions
) {
  const ErrorQueueScope errors;
  SslCtxPtr context(SSL_CTX_new_ex(library(Side::kServer), nullptr, TLS_server_method()));
  if (!context || !set_protocols(context.get()))
    return Error{
        .code = Errc::kTls,
        .source = ErrorSource::kInternal,
        .retryable = false,
        .detail = fmt::format("TLS cannot be set up: {}", last_error_text()),
    };
  set_input_and_output(context.get());
  set_sessions(context.get(), sessions);
  SSL_CTX_set_client_hello_cb(context.get(), cppx_tls_on_client_hello, nullptr);
  SSL_CTX_set_cert_cb(context.get(), cppx_tls_on_certificate, nullptr);
  SSL_CTX_set_tlsext_servername_callback(context.get(), cppx_tls_on_server_name);
  SSL_CTX_set_alpn_select_cb(context.get(), cppx_tls_on_alpn, nullptr);

  std::unique_ptr<ServerContext> result(new ServerContext);
  SSL_CTX* const borrowed = context.get();
  result->impl_.reset(new Impl{.context = std::move(context), .sessions = {borrowed, number}});
  return result;
}

ServerContext::~ServerContext() = default;

SslPtr ServerContext::accept(const HandshakeOptions& options) {
  const ErrorQueueScope errors;
  SslPtr ssl(SSL_new(impl_->context.get()));
  if (!ssl || SSL_set_app_data(ssl.get(), const_cast<HandshakeOptions*>(&options)) == 0)
    return nullptr;
  SSL_set_accept_state(ssl.get());
  return ssl;
}

SharedSession ServerContext::copy_of(const SessionKey& key) const {
  return impl_->sessions.copy_of(key);
}

void ServerContext::keep(const SharedSession& session) { impl_->sessions.keep(session); }

std::size_t ServerContext::sessions() const noexcept {
  return static_cast<std::size_t>(SSL_CTX_sess_number(impl_->context.get()));
}

// The list is sorted by their ends: this looks at those that are over, and at one more.
void ServerContext::forget_ended_sessions() noexcept {
  SSL_CTX_flush_sessions(impl_->context.get(), static_cast<long>(std::time(nullptr)));
}

// To OpenSSL 0 is a time by which all are over.
void ServerContext::forget_sessions() noexcept { SSL_CTX_flush_sessions(impl_->context.get(), 0); }

}  // namespace cppx::tls
