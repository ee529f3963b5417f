#include "tls/client_context.h"

#include <fmt/format.h>

#include <array>
#include <memory>
#include <span>
#include <utility>

#include "base/error.h"
#include "tls/library.h"
#include "tls/openssl.h"
#include "tls/server_context.h"

namespace cppx::tls {
namespace {

constexpr std::array<unsigned char, 9> kHttp11 = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
constexpr std::array<unsigned char, 3> kHttp2 = {2, 'h', '2'};

}  // namespace

struct ClientContext::Impl {
  SslCtxPtr context;
};

Result<std::unique_ptr<ClientContext>> ClientContext::create() {
  const ErrorQueueScope errors;
  SslCtxPtr context(SSL_CTX_new_ex(library(Side::kClient), nullptr, TLS_client_method()));
  if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1)
    return Error{
        .code = Errc::kTls,
        .source = ErrorSource::kInternal,
        .retryable = false,
        .detail = fmt::format("TLS towards backends cannot be set up: {}", last_error_text()),
    };
  SSL_CTX_set_options(
      context.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF
  );
  SSL_CTX_set_mode(
      context.get(),
      SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
  );
  SSL_CTX_set_read_ahead(context.get(), 1);
  // Backends are known by their address, and their certificates are mostly self-made.
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  std::unique_ptr<ClientContext> result(new ClientContext);
  result->impl_ = std::make_unique<Impl>(std::move(context));
  return result;
}

ClientContext::~ClientContext() = default;

SslPtr ClientContext::connect(ClientAlpn alpn) {
  const ErrorQueueScope errors;
  SslPtr ssl(SSL_new(impl_->context.get()));
  const std::span<const unsigned char> protocols =
      alpn == ClientAlpn::kHttp2 ? std::span<const unsigned char>(kHttp2) : kHttp11;
  if (!ssl ||
      SSL_set_alpn_protos(ssl.get(), protocols.data(), static_cast<unsigned>(protocols.size())) !=
          0)
    return nullptr;
  SSL_set_connect_state(ssl.get());
  return ssl;
}

}  // namespace cppx::tls
