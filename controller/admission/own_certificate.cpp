#include "controller/admission/own_certificate.h"

#include <fmt/format.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/basic_waitable_timer.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/log.h"
#include "controller/kube/api_client.h"
#include "controller/kube/task.h"
#include "controller/model/base64.h"
#include "controller/model/objects.h"
#include "tls/certificate.h"
#include "tls/self_signed.h"

namespace cppx::controller {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;
using Timer = boost::asio::basic_waitable_timer<Clock, boost::asio::wait_traits<Clock>, Executor>;

constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";

/// A value of a Secret, decoded; empty when it is not there.
std::string data_of(const json& secret, const char* key) {
  const auto data = secret.find("data");
  if (data == secret.end() || !data->is_object()) return {};
  const auto value = data->find(key);
  if (value == data->end() || !value->is_string()) return {};
  return decode_base64(value->get_ref<const std::string&>()).value_or(std::string());
}

std::string text_of(const json& object, const char* key) {
  const auto it = object.is_object() ? object.find(key) : object.end();
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

/// The first of several certificates.
std::string first_of(const std::string& bundle) {
  return bundle.substr(0, bundle.find(kBegin, bundle.find(kBegin) + 1));
}

/// How long the certificate is good for a name: nothing for another name, another key, no text.
std::optional<std::chrono::system_clock::time_point> good_until(
    const tls::PemPair& pair, const std::string& name
) {
  const auto parsed = tls::Certificate::from_pem(pair.certificate, pair.key);
  if (!parsed || !(*parsed)->covers(name)) return std::nullopt;
  return (*parsed)->not_after();
}

/// The entries of a configuration whose authority is another one, as a patch; null: none.
json patch_of(const json& configuration, const ObjectKey& service, const std::string& bundle) {
  json patches = json::array();
  const auto webhooks = configuration.find("webhooks");
  if (webhooks == configuration.end() || !webhooks->is_array()) return nullptr;
  for (const json& webhook : *webhooks) {
    const auto client = webhook.find("clientConfig");
    if (client == webhook.end() || !client->is_object()) continue;
    const auto named = client->find("service");
    const bool ours = named == client->end() || (text_of(*named, "name") == service.name &&
                                                 text_of(*named, "namespace") == service.ns);
    if (!ours || text_of(*client, "caBundle") == bundle) continue;
    patches.push_back({{"name", text_of(webhook, "name")}, {"clientConfig", {{"caBundle", bundle}}}}
    );
  }
  if (patches.empty()) return nullptr;
  return {{"webhooks", std::move(patches)}};
}

}  // namespace

OwnCertificate::OwnCertificate(ApiClient& client, OwnCertificateOptions options, Show show)
    : client_(client),
      options_(std::move(options)),
      show_(std::move(show)),
      name_(fmt::format("{}.{}.svc", options_.service.name, options_.service.ns)),
      secret_name_(options_.service.name + "-certificate") {}

std::string OwnCertificate::secret_target(bool with_name) const {
  const std::string all = fmt::format("/api/v1/namespaces/{}/secrets", options_.service.ns);
  return with_name ? all + "/" + secret_name_ : all;
}

Task<void> OwnCertificate::run() {
  Timer timer(client_.executor());
  for (;;) {
    const auto looked = co_await look();
    if (!looked && looked.error().detail != last_trouble_)
      log::warning("certificate of the validating webhook: {} (trying on)", looked.error().detail);
    last_trouble_ = looked ? std::string() : looked.error().detail;
    timer.expires_after(looked ? options_.look : options_.retry);
    const auto waited = co_await timer.async_wait(kAsTuple);
    static_cast<void>(waited);
  }
}

Task<Result<void>> OwnCertificate::look() {
  const auto kept = co_await find_or_make();
  if (!kept) co_return kept.error();
  auto told = co_await tell(kept->bundle);
  // Better one that is not known yet than none.
  if (!told && !shown_.empty()) co_return told.error();
  if (shown_ != kept->pair.certificate) {
    show_(kept->pair);
    shown_ = kept->pair.certificate;
  }
  co_return told;
}

Result<OwnCertificate::Kept> OwnCertificate::make() const {
  auto made = tls::make_issued_pem({
      .common_name = "cppx admission",
      .organization = {},
      .dns_names = {name_},
      .lifetime = options_.lifetime,
  });
  if (!made) return made.error();
  return Kept{
      .pair = std::move(made->pair), .bundle = std::move(made->authority), .resource_version = {}
  };
}

Result<OwnCertificate::Kept> OwnCertificate::in_memory(const std::string& why) {
  const auto now = std::chrono::system_clock::now();
  const auto until = memory_ ? good_until(memory_->pair, name_) : std::nullopt;
  if (until && *until - options_.renew_before > now) return *memory_;
  log::warning(
      "certificate of the validating webhook: not kept in Secret {}/{}, and another one in each "
      "replica: {}",
      options_.service.ns, secret_name_, why
  );
  auto made = make();
  if (!made) return made.error();
  memory_ = std::move(*made);
  return *memory_;
}

Task<Result<OwnCertificate::Kept>> OwnCertificate::find_or_make() {
  const auto found = co_await client_.get(secret_target(true));
  if (!found && found.error().code == Errc::kUnauthorized)
    co_return in_memory(found.error().detail);
  if (!found && found.error().code != Errc::kNotFound) co_return found.error();
  Kept kept;
  std::optional<std::chrono::system_clock::time_point> until;
  if (found) {
    kept.pair = {.certificate = data_of(*found, "tls.crt"), .key = data_of(*found, "tls.key")};
    kept.bundle = data_of(*found, "ca.crt");
    const auto metadata = found->find("metadata");
    if (metadata != found->end()) kept.resource_version = text_of(*metadata, "resourceVersion");
    until = good_until(kept.pair, name_);
    const auto now = std::chrono::system_clock::now();
    if (until && !kept.bundle.empty() && *until - options_.renew_before > now) co_return kept;
    if (!options_.may_write()) {
      if (until && *until > now) co_return kept;
      co_return config_error(Errc::kUnavailable, "waiting for the leader to replace the Secret");
    }
  }
  auto made = make();
  if (!made) co_return made.error();
  if (found) {
    // The old authority stays known while other replicas show what it vouches for.
    if (until) made->bundle += first_of(kept.bundle);
    made->resource_version = kept.resource_version;
  }
  auto stored = co_await store(std::move(*made), found.has_value());
  if (!stored && stored.error().code == Errc::kUnauthorized) {
    if (until && *until > std::chrono::system_clock::now()) co_return kept;
    co_return in_memory(stored.error().detail);
  }
  co_return stored;
}

Task<Result<OwnCertificate::Kept>> OwnCertificate::store(Kept made, bool replace) {
  json secret = {
      {"apiVersion", "v1"},
      {"kind", "Secret"},
      {"metadata",
       {{"name", secret_name_},
        {"namespace", options_.service.ns},
        {"labels", {{"app.kubernetes.io/managed-by", "cppx"}}}}},
      {"type", "kubernetes.io/tls"},
      {"data",
       {{"tls.crt", encode_base64(made.pair.certificate)},
        {"tls.key", encode_base64(made.pair.key)},
        {"ca.crt", encode_base64(made.bundle)}}},
  };
  if (replace) secret["metadata"]["resourceVersion"] = made.resource_version;
  // By statements of their own: a conditional expression would await in an operator.
  Result<json> written{boost::system::in_place_value, nullptr};
  if (replace)
    written = co_await client_.put(secret_target(true), std::move(secret));
  else
    written = co_await client_.post(secret_target(false), std::move(secret));
  // On a conflict another replica was first: the next look finds what it made.
  if (!written) co_return written.error();
  log::info(
      "certificate of the validating webhook: {} Secret {}/{}", replace ? "replaced" : "created",
      options_.service.ns, secret_name_
  );
  co_return made;
}

Task<Result<void>> OwnCertificate::tell(std::string bundle) {
  if (options_.configuration.empty()) co_return Result<void>();
  const std::string target = fmt::format(
      "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/{}",
      options_.configuration
  );
  const auto found = co_await client_.get(target);
  if (!found) co_return found.error();
  json patch = patch_of(*found, options_.service, encode_base64(bundle));
  if (patch.is_null()) co_return Result<void>();
  if (!options_.may_write())
    co_return config_error(
        Errc::kUnavailable, "waiting for the leader to patch the caBundle of the configuration"
    );
  const auto patched = co_await client_.patch(target, std::move(patch), PatchType::kStrategicMerge);
  if (!patched) co_return patched.error();
  log::info(
      "validating webhook: caBundle of ValidatingWebhookConfiguration {} patched",
      options_.configuration
  );
  co_return Result<void>();
}

}  // namespace cppx::controller
