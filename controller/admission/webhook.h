#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "controller/admission/webhook_server.h"
#include "controller/kube/kube_config.h"
#include "controller/model/objects.h"

namespace cppx::controller {

struct WebhookOptions {
  std::string address;                               ///< --validating-webhook
  std::optional<std::filesystem::path> certificate;  ///< --validating-webhook-certificate
  std::optional<std::filesystem::path> key;          ///< --validating-webhook-key
  /// --validating-webhook-service: without files, whom the certificate made here is for.
  std::optional<ObjectKey> service;
  std::string configuration;            ///< --validating-webhook-configuration
  std::vector<std::string> namespaces;  ///< --watch-namespace: others are allowed untouched.
  KubeConfigOptions access;             ///< Used without files.
  /// Whether this replica may replace its Secret and patch the configuration: the leader's right.
  std::function<bool()> may_write = [] { return true; };
};

/// The validating webhook: server, certificate and the thread they have for themselves.
class Webhook {
 public:
  Webhook(WebhookOptions options, ReviewFunction review);
  ~Webhook();  ///< Stops.
  Webhook(const Webhook&) = delete;
  Webhook& operator=(const Webhook&) = delete;

  /// Returns the port. Errors of use: address in use, files missing or unusable, neither files nor
  /// a service.
  Result<std::uint16_t> start();
  /// Ends the thread. Reviews that are answered later go nowhere, as long as this is there.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cppx::controller
