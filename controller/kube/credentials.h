#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include <boost/asio/ssl/context.hpp>

#include "base/error.h"
#include "controller/kube/kube_config.h"

namespace cppx::controller {

/// Token and TLS context of a KubeConfig. Both come from files that are rotated while the program
/// runs. The token is read again when its file has changed, or once a minute; certificates once a
/// minute; both at once after expire(). When that fails, what was read before stays in use.
class Credentials {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kMaxAge{60};

  /// Reads everything for the first time; an error says what file or key and why.
  static Result<Credentials> open(KubeConfig config, Time now);

  [[nodiscard]] const KubeConfig& config() const noexcept { return config_; }
  /// The bearer token, empty when there is none. The view is valid until the next call.
  const std::string& token(Time now);
  /// Null when the server is reached without TLS.
  std::shared_ptr<boost::asio::ssl::context> tls_context(Time now);
  /// The server refused the credentials: read them again at the next use.
  void expire() noexcept;

 private:
  /// What tells one state of a file from another without reading it. Service account tokens are
  /// behind a link that is moved to a new file.
  struct FileStamp {
    std::uint64_t inode = 0;
    std::int64_t size = 0;
    std::int64_t changed_ns = 0;
    bool operator==(const FileStamp&) const = default;
  };

  Credentials(KubeConfig config, Time now);
  [[nodiscard]] FileStamp token_stamp() const;
  Result<void> read_token();
  Result<void> read_tls();

  KubeConfig config_;
  std::string token_;
  std::shared_ptr<boost::asio::ssl::context> tls_;
  FileStamp token_stamp_;
  Time token_read_;
  Time tls_read_;
  bool token_expired_ = false;
  bool tls_expired_ = false;
};

}  // namespace cppx::controller
