#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/cache/store.h"
#include "controller/model/objects.h"
#include "controller/translate/class_options.h"
#include "controller/translate/diagnostic.h"
#include "controller/translate/resolved_names.h"
#include "routing/endpoint/endpoint.h"
#include "routing/snapshot.h"
#include "tls/certificate.h"

namespace cppx::controller {

/// What decides the translation beside the objects: flags, none of them changing while running.
struct TranslateOptions {
  ClassOptions classes;
  std::optional<ObjectKey> config_map;               ///< --configmap
  std::optional<ObjectKey> default_ssl_certificate;  ///< --default-ssl-certificate
  std::optional<ObjectKey> default_backend_service;  ///< --default-backend-service
  bool disable_catch_all = false;
  bool disable_svc_external_name = false;
  std::string annotations_prefix = "nginx.ingress.kubernetes.io";
};

/// Everything a translation reads. `names` are the addresses of ExternalName Services as last
/// resolved; `now` decides what is expired.
struct TranslateInput {
  const Store& store;
  const ResolvedNames& names;
  std::chrono::system_clock::time_point now;
  std::shared_ptr<const tls::Certificate> self_made_certificate;  ///< The last resort; never null.
  /// The JoinTime of endpoints that are added to others now; nothing: they get none, as before the
  /// first snapshot, whose endpoints are all there is.
  std::optional<routing::JoinTime> join_time{};
};

/// What is shared stays the same object while it does not change; none of it is null.
struct Translation {
  std::shared_ptr<routing::Snapshot> snapshot;  ///< generation is 0: the publisher sets it.
  /// Sorted, no duplicates.
  std::shared_ptr<const std::vector<Diagnostic>> diagnostics;
  /// Host names the ExternalName Services in use need resolved.
  std::shared_ptr<const std::set<std::string>> external_names;
  /// Secrets the objects refer to, there or not.
  std::shared_ptr<const std::set<ObjectKey>> secrets_in_use;
};

/// Turns objects into a snapshot. The result is a pure function of the input, but for the order of
/// the pools and EndpointPool::joined: same objects in any order, same snapshot. What was made last
/// is kept: after a change only the hosts and pools that depend on the changed objects are made
/// anew (Store::changes_since), and all else is shared. An object that cannot be honoured gives a
/// Diagnostic and never affects another.
class Translator {
 public:
  explicit Translator(TranslateOptions options);
  ~Translator();
  Translator(const Translator&) = delete;
  Translator& operator=(const Translator&) = delete;

  Translation translate(const TranslateInput& input);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cppx::controller
