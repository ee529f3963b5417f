#include "controller/kube/tls_context.h"

#include <fmt/format.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <array>
#include <string>
#include <utility>

#include <boost/asio/buffer.hpp>

namespace cppx::controller {
namespace {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

Error wrong(const PemSource& source, std::string_view why) {
  return config_error(Errc::kTls, fmt::format("{}: {}", source.key, why));
}

Result<std::string> read_pem(const PemSource& source) {
  if (!source.text.empty()) return source.text;
  auto text = read_small_file(source.file);
  if (!text)
    return config_error(text.error().code, fmt::format("{}: {}", source.key, text.error().detail));
  return text;
}

Result<void> load_authorities(const KubeConfig& config, ssl::context& context) {
  error_code error;
  if (config.certificate_authority.empty()) {
    // A system without any authorities is not an error here: the handshake will say so.
    context.set_default_verify_paths(error);
    return {};
  }
  const auto pem = read_pem(config.certificate_authority);
  if (!pem) return pem.error();
  context.add_certificate_authority(boost::asio::buffer(*pem), error);
  const X509_STORE* store = SSL_CTX_get_cert_store(context.native_handle());
  if (sk_X509_OBJECT_num(X509_STORE_get0_objects(store)) == 0)
    return wrong(config.certificate_authority, "holds no PEM certificate");
  if (error) return wrong(config.certificate_authority, error.message());
  return {};
}

Result<void> load_client_certificate(const KubeConfig& config, ssl::context& context) {
  if (config.client_certificate.empty()) return {};
  const auto chain = read_pem(config.client_certificate);
  if (!chain) return chain.error();
  const auto key = read_pem(config.client_key);
  if (!key) return key.error();
  error_code error;
  // Without this, OpenSSL asks for the passphrase of an encrypted key on the terminal.
  context.set_password_callback(
      [](std::size_t, ssl::context::password_purpose) { return std::string(); }, error
  );
  context.use_certificate_chain(boost::asio::buffer(*chain), error);
  if (error) return wrong(config.client_certificate, "not a PEM certificate: " + error.message());
  context.use_private_key(boost::asio::buffer(*key), ssl::context::pem, error);
  if (error)
    return wrong(
        config.client_key, "not a usable PEM key for the client certificate: " + error.message()
    );
  if (SSL_CTX_check_private_key(context.native_handle()) != 1)
    return wrong(config.client_key, "does not belong to the client certificate");
  return {};
}

}  // namespace

Result<std::shared_ptr<ssl::context>> make_client_tls_context(const KubeConfig& config) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_client);
  SSL_CTX* native = context->native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  static constexpr std::array<unsigned char, 9> kHttp11 = {8,   'h', 't', 't', 'p',
                                                           '/', '1', '.', '1'};
  SSL_CTX_set_alpn_protos(native, kHttp11.data(), static_cast<unsigned>(kHttp11.size()));
  SSL_CTX_set_verify(
      native, config.insecure_skip_tls_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr
  );
  if (auto loaded = load_authorities(config, *context); !loaded) return loaded.error();
  if (auto loaded = load_client_certificate(config, *context); !loaded) return loaded.error();
  return context;
}

}  // namespace cppx::controller
