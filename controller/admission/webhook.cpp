#include "controller/admission/webhook.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "base/error.h"
#include "base/log.h"
#include "controller/admission/certificate_files.h"
#include "controller/admission/own_certificate.h"
#include "controller/admission/review.h"
#include "controller/kube/api_client.h"
#include "controller/kube/task_group.h"
#include "controller/model/objects.h"
#include "tls/self_signed.h"

namespace cppx::controller {

namespace asio = boost::asio;

struct Webhook::Impl {
  Impl(WebhookOptions given, ReviewFunction review)
      : options(std::move(given)),
        server(
            io.get_executor(),
            [this, next = std::move(review)](Ingress ingress, ReviewDone done) {
              if (is_watched(ingress.meta.key.ns))
                next(std::move(ingress), std::move(done));
              else
                done(AdmissionVerdict{});
            }
        ),
        tasks(io.get_executor()) {}

  [[nodiscard]] bool is_watched(const std::string& ns) const {
    const auto& all = options.namespaces;
    return all.empty() || std::ranges::find(all, ns) != all.end();
  }

  Result<void> start_certificate();
  Result<void> start_files();
  Result<void> start_own();

  WebhookOptions options;
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  WebhookServer server;
  std::unique_ptr<ApiClient> client;
  std::optional<CertificateFiles> files;
  std::optional<OwnCertificate> own;
  TaskGroup tasks;
  std::thread thread;
};

Result<void> Webhook::Impl::start_certificate() {
  if (options.certificate && options.key) return start_files();
  if (options.certificate || options.key)
    return config_error(
        Errc::kInvalidArgument,
        "--validating-webhook-certificate and --validating-webhook-key: one needs the other"
    );
  if (options.service) return start_own();
  return config_error(
      Errc::kInvalidArgument,
      "--validating-webhook: give --validating-webhook-certificate and --validating-webhook-key, "
      "or "
      "--validating-webhook-service for a certificate of its own"
  );
}

Result<void> Webhook::Impl::start_files() {
  files.emplace(*options.certificate, *options.key, [this](const tls::PemPair& pair) {
    return server.set_certificate(pair);
  });
  if (auto read = files->read(); !read) return read;
  tasks.spawn(files->run(io.get_executor()));
  return {};
}

Result<void> Webhook::Impl::start_own() {
  auto config = load_kube_config(options.access);
  if (!config) return config.error();
  auto created = ApiClient::create(io, std::move(*config));
  if (!created) return created.error();
  client = std::move(*created);
  OwnCertificateOptions own_options;
  own_options.service = *options.service;
  own_options.configuration = options.configuration;
  own_options.may_write = options.may_write;
  own.emplace(*client, std::move(own_options), [this](const tls::PemPair& pair) {
    if (const auto set = server.set_certificate(pair); !set)
      log::error("certificate of the validating webhook: {}", set.error().detail);
  });
  tasks.spawn(own->run());
  return {};
}

Webhook::Webhook(WebhookOptions options, ReviewFunction review)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(review))) {}

Webhook::~Webhook() { stop(); }

Result<std::uint16_t> Webhook::start() {
  auto port = impl_->server.listen(impl_->options.address);
  if (!port) return port;
  if (auto started = impl_->start_certificate(); !started) return started.error();
  impl_->server.start();
  impl_->thread = std::thread([impl = impl_.get()] { impl->io.run(); });
  return port;
}

void Webhook::stop() {
  if (!impl_->thread.joinable()) return;
  asio::post(impl_->io, [impl = impl_.get()] {
    impl->server.stop();
    impl->tasks.cancel();
    impl->work.reset();
  });
  impl_->thread.join();
}

}  // namespace cppx::controller
