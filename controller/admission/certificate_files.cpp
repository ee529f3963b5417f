#include "controller/admission/certificate_files.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <utility>

#include <boost/asio/basic_waitable_timer.hpp>

#include "base/error.h"
#include "base/log.h"
#include "controller/kube/kube_config.h"
#include "controller/kube/task.h"
#include "tls/self_signed.h"

namespace cppx::controller {

using Clock = std::chrono::steady_clock;
using Timer = boost::asio::basic_waitable_timer<Clock, boost::asio::wait_traits<Clock>, Executor>;

CertificateFiles::CertificateFiles(
    std::filesystem::path certificate, std::filesystem::path key, Show show,
    std::chrono::milliseconds look
)
    : certificate_(std::move(certificate)),
      key_(std::move(key)),
      show_(std::move(show)),
      look_(look) {}

Result<void> CertificateFiles::read() {
  auto certificate = read_small_file(certificate_);
  if (!certificate)
    return config_error(
        certificate.error().code, "--validating-webhook-certificate: " + certificate.error().detail
    );
  auto key = read_small_file(key_);
  if (!key)
    return config_error(key.error().code, "--validating-webhook-key: " + key.error().detail);
  if (*certificate == last_.certificate && *key == last_.key) return {};
  tls::PemPair pair{.certificate = std::move(*certificate), .key = std::move(*key)};
  if (auto shown = show_(pair); !shown)
    return config_error(
        shown.error().code,
        fmt::format(
            "--validating-webhook-certificate={}: {}", certificate_.string(), shown.error().detail
        )
    );
  last_ = std::move(pair);
  return {};
}

Task<void> CertificateFiles::run(Executor executor) {
  Timer timer(executor);
  for (;;) {
    timer.expires_after(look_);
    const auto waited = co_await timer.async_wait(kAsTuple);
    static_cast<void>(waited);
    const auto done = read();
    std::string trouble = done ? std::string() : done.error().detail;
    if (!trouble.empty() && trouble != last_trouble_)
      log::warning("{}; the certificate from before stays in use", trouble);
    last_trouble_ = std::move(trouble);
  }
}

}  // namespace cppx::controller
