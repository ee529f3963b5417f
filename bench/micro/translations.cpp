#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/micro/benches.h"
#include "bench/micro/measure.h"
#include "controller/admission/review.h"
#include "controller/cache/store.h"
#include "controller/model/objects.h"
#include "controller/translate/resolved_names.h"
#include "controller/translate/translate.h"
#include "tls/certificate.h"
#include "tls/self_signed.h"

namespace cppx::bench {
namespace {

using namespace cppx::controller;

constexpr std::size_t kIngresses = 10'000;
constexpr std::size_t kSecrets = 1'000;
constexpr int kChanges = 101;

ObjectMeta meta(std::string name) {
  ObjectMeta out;
  out.key = {.ns = "apps", .name = std::move(name)};
  return out;
}

std::string host_of(std::size_t i) { return fmt::format("app-{}.example.com", i); }

Ingress ingress(std::size_t i, std::string_view path) {
  Ingress out;
  out.meta = meta(fmt::format("app-{}", i));
  out.ingress_class_name = "cppx";
  IngressPath entry;
  entry.path = path;
  entry.path_type = routing::PathType::kPrefix;
  entry.backend.service = fmt::format("app-{}", i);
  entry.backend.port = std::uint16_t{80};
  out.rules.push_back({.host = host_of(i), .paths = {std::move(entry)}});
  if (i < kSecrets)
    out.tls.push_back({.hosts = {host_of(i)}, .secret_name = fmt::format("tls-{}", i)});
  return out;
}

Service service(std::size_t i) {
  Service out;
  out.meta = meta(fmt::format("app-{}", i));
  out.cluster_ip = "10.96.0.1";
  out.has_selector = true;
  ServicePort port;
  port.port = 80;
  port.target_port = std::uint16_t{8080};
  out.ports.push_back(std::move(port));
  return out;
}

EndpointSlice slice(std::size_t i, std::size_t version) {
  EndpointSlice out;
  out.meta = meta(fmt::format("app-{}-1", i));
  out.service = fmt::format("app-{}", i);
  for (std::size_t pod = 0; pod < 2; ++pod) {
    SliceEndpoint endpoint;
    endpoint.addresses = {fmt::format("10.{}.{}.{}", 1 + pod, i / 250, 1 + (i + version) % 250)};
    out.endpoints.push_back(std::move(endpoint));
  }
  SlicePort port;
  port.port = 8080;
  out.ports.push_back(std::move(port));
  return out;
}

Secret secret(std::size_t i) {
  Secret out;
  out.meta = meta(fmt::format("tls-{}", i));
  out.type = "kubernetes.io/tls";
  const auto pem = tls::make_self_signed_pem({.common_name = "bench", .dns_names = {host_of(i)}});
  if (pem) out.data = {{"tls.crt", pem->certificate}, {"tls.key", pem->key}};
  return out;
}

/// The cluster of the benchmark, and one Translator that follows it.
class Cluster {
 public:
  Cluster() : translator_(options()) {
    IngressClass ingress_class;
    ingress_class.meta.key.name = "cppx";
    ingress_class.controller = "cppx.io/ingress-controller";
    store_.apply(std::move(ingress_class));
    for (std::size_t i = 0; i < kIngresses; ++i) {
      store_.apply(ingress(i, "/"));
      store_.apply(service(i));
      store_.apply(slice(i, 0));
    }
    for (std::size_t i = 0; i < kSecrets; ++i) store_.apply(secret(i));
    if (auto made = tls::make_default_certificate()) self_made_ = *std::move(made);
  }

  void apply(Object object) { store_.apply(std::move(object)); }

  /// CPU milliseconds.
  double translate() {
    const double start = thread_cpu_nanoseconds();
    last_ = translator_.translate({
        .store = store_,
        .names = names_,
        .now = std::chrono::system_clock::now(),
        .self_made_certificate = self_made_,
    });
    return (thread_cpu_nanoseconds() - start) / 1e6;
  }

  /// CPU milliseconds of what the validating webhook decides by.
  [[nodiscard]] double review(Ingress reviewed) const {
    const Reviewer reviewer(options(), self_made_);
    const double start = thread_cpu_nanoseconds();
    keep(reviewer.review(store_, std::move(reviewed)));
    return (thread_cpu_nanoseconds() - start) / 1e6;
  }

 private:
  static TranslateOptions options() { return {}; }

  Store store_;
  ResolvedNames names_;
  std::shared_ptr<const tls::Certificate> self_made_;
  Translator translator_;
  Translation last_;
};

/// `run(i)` gives the milliseconds of the i-th run.
template <class Run>
void print_median(std::string_view what, const Run& run) {
  std::vector<double> milliseconds;
  for (std::size_t i = 0; i < kChanges; ++i) milliseconds.push_back(run(i));
  std::ranges::sort(milliseconds);
  fmt::print(
      "{}: {:.3f} ms (median; longest {:.3f})\n", what, milliseconds[kChanges / 2],
      milliseconds.back()
  );
}

/// `change(i)` makes the i-th change.
template <class Change>
void report(Cluster& cluster, std::string_view what, const Change& change) {
  print_median(fmt::format("translate, {}", what), [&](std::size_t i) {
    cluster.apply(change(i));
    return cluster.translate();
  });
}

}  // namespace

void bench_translations() {
  Cluster cluster;
  fmt::print(
      "translate, {} Ingresses, Services and slices, {} Secrets, from nothing: {:.1f} ms\n",
      kIngresses, kSecrets, cluster.translate()
  );
  report(cluster, "one EndpointSlice changed", [](std::size_t i) {
    return slice(i * 7 % kIngresses, i + 1);
  });
  report(cluster, "one Ingress changed", [](std::size_t i) {
    return ingress(i * 7, i % 2 == 0 ? "/changed" : "/changed-again");
  });
  report(cluster, "one Ingress added", [](std::size_t i) { return ingress(kIngresses + i, "/"); });
  report(cluster, "one Service changed", [](std::size_t i) {
    Service changed = service(i * 7);
    changed.ports.front().name = "http";
    return changed;
  });
  report(cluster, "one Secret changed", [](std::size_t i) { return secret(i % kSecrets); });
  print_median("review, a new Ingress", [&](std::size_t i) {
    return cluster.review(ingress(2 * kIngresses + i, "/"));
  });
  print_median("review, a path that another Ingress has", [&](std::size_t i) {
    Ingress other = ingress(i, "/");
    other.meta.key.name = "other";
    return cluster.review(std::move(other));
  });
}

}  // namespace cppx::bench
