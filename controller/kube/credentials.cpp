#include "controller/kube/credentials.h"

#include <sys/stat.h>

#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "controller/kube/tls_context.h"

namespace cppx::controller {

Credentials::Credentials(KubeConfig config, Time now)
    : config_(std::move(config)), token_(config_.token), token_read_(now), tls_read_(now) {}

Result<Credentials> Credentials::open(KubeConfig config, Time now) {
  Credentials credentials(std::move(config), now);
  if (auto read = credentials.read_token(); !read) return read.error();
  if (auto read = credentials.read_tls(); !read) return read.error();
  return credentials;
}

const std::string& Credentials::token(Time now) {
  if (config_.token_file.empty()) return token_;
  if (token_expired_ || now - token_read_ >= kMaxAge || token_stamp() != token_stamp_) {
    token_read_ = now;
    token_expired_ = false;
    if (const auto read = read_token(); !read)
      log::warning("The token of the Kubernetes API is not renewed: {}", read.error().detail);
  }
  return token_;
}

std::shared_ptr<boost::asio::ssl::context> Credentials::tls_context(Time now) {
  if (tls_ && (tls_expired_ || now - tls_read_ >= kMaxAge)) {
    tls_read_ = now;
    tls_expired_ = false;
    if (const auto read = read_tls(); !read)
      log::warning("Certificates for the Kubernetes API are not renewed: {}", read.error().detail);
  }
  return tls_;
}

void Credentials::expire() noexcept {
  token_expired_ = true;
  tls_expired_ = true;
}

Credentials::FileStamp Credentials::token_stamp() const {
  struct stat status{};
  if (::stat(config_.token_file.c_str(), &status) != 0) return {};
  constexpr std::int64_t kNanoseconds = 1'000'000'000;
  return {
      status.st_ino, status.st_size, status.st_ctim.tv_sec * kNanoseconds + status.st_ctim.tv_nsec
  };
}

Result<void> Credentials::read_token() {
  if (config_.token_file.empty()) return {};
  // Taken before it is read: what changes in between is read once more.
  token_stamp_ = token_stamp();
  const auto text = read_small_file(config_.token_file);
  if (!text) return config_error(text.error().code, "token file " + text.error().detail);
  const auto token = trim(*text);
  if (token.empty())
    return config_error(Errc::kParse, "token file " + config_.token_file.string() + ": is empty");
  token_ = token;
  return {};
}

Result<void> Credentials::read_tls() {
  if (!config_.server.tls) return {};
  auto context = make_client_tls_context(config_);
  if (!context) return context.error();
  tls_ = std::move(*context);
  return {};
}

}  // namespace cppx::controller
