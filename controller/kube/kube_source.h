#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "base/error.h"
#include "controller/kube/api_client.h"
#include "controller/kube/kube_config.h"
#include "controller/kube/list_watch.h"
#include "controller/kube/object_sink.h"
#include "controller/model/objects.h"

namespace cppx::controller {

struct KubeSourceOptions {
  std::vector<std::string> namespaces;  ///< Empty: all, or those of `namespace_selector`.
  /// Label selector of the namespaces to follow, instead of `namespaces`; those that begin or cease
  /// to match are followed and dropped at run time. Empty: none.
  std::string namespace_selector;
  /// Where ConfigMaps are followed too when `namespaces` is not empty: that of --configmap, as a
  /// rule.
  std::set<std::string> config_map_namespaces;
  bool watch_namespaces = false;  ///< Follow Namespace objects too.
  ApiClientOptions client;
  ListWatchOptions list_watch;
};

/// The Kubernetes source: follows Ingress, IngressClass, Service, EndpointSlice, Secret, ConfigMap
/// (and Namespace) and hands them to a sink, on the io_context's thread.
///
/// In memory are kept: Secrets of type kubernetes.io/tls and those named by set_wanted();
/// ConfigMaps named by set_wanted() — all, until it is called for the kind.
///
/// Synced means that every kind was listed, or that the server refuses a kind which can be done
/// without (IngressClass, ConfigMap, Namespace), also when asked again after the others were
/// listed. A refused kind never keeps the others from being delivered, and neither does a namespace
/// in which something is refused, as long as another is complete. Where namespaces are followed one
/// by one, the Ingresses of each come last: a route never comes before what it leads to.
class KubeSource {
 public:
  /// Reads the credentials: errors are one line for the user. `sink` must live until stopped().
  static Result<std::unique_ptr<KubeSource>> create(
      boost::asio::io_context& io, KubeConfig config, KubeSourceOptions options, ObjectSink& sink
  );
  ~KubeSource();
  KubeSource(const KubeSource&) = delete;
  KubeSource& operator=(const KubeSource&) = delete;

  void start();
  /// Ends everything; nothing reaches the sink from now on. The io_context must run on until
  /// stopped() before this is destroyed: its run() returns by itself when nothing else keeps it.
  void stop();
  [[nodiscard]] bool stopped() const noexcept;

  /// Which Secrets or ConfigMaps are referred to now (kSecret, kConfigMap). Those that were not
  /// kept so far are fetched, with retries until they are there, known to be absent, or no longer
  /// wanted; those no longer wanted are removed.
  void set_wanted(Kind kind, std::set<ObjectKey> keys);

  [[nodiscard]] const SourceState& state() const noexcept;

 private:
  class Impl;
  explicit KubeSource(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cppx::controller
