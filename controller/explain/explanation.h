#pragma once
// controller/explain/: why a request is answered as it is.
//
//   ExplainRequest + Snapshot (+ Diagnostics, Store) → explain() → Explanation → to_json()
//
// The decision is made by features/decision.h, as the proxy makes it. May include: kube, model,
// translate, cache, and what the controller may.

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "controller/cache/store.h"
#include "controller/explain/request.h"
#include "controller/translate/diagnostic.h"
#include "controller/translate/translate.h"
#include "features/decision.h"
#include "routing/snapshot.h"

namespace cppx::controller {

/// The route that a request got.
struct ExplainedRoute {
  std::string host;  ///< Virtual host: a name, "*.example.com", or "_" for the catch-all.
  std::string path;
  std::string path_type;
  std::string ns;  ///< Of Ingress and Service; the names are empty where there is none.
  std::string ingress;
  std::string field;  ///< Of the Ingress: "spec.rules[0].http.paths[1]"; empty: not known.
  std::string service;
  std::string service_port;
  std::string protocol;                                       ///< "HTTP", "GRPC"...
  std::vector<std::pair<std::string, std::string>> policies;  ///< Feature and value.
};

struct ExplainedPool {
  std::string name;
  std::string status;
  std::vector<std::string> endpoints;
};

/// What a client is shown in its handshake. Holds nothing of the key.
struct ExplainedCertificate {
  std::string secret;  ///< "ns/name"; empty: made by this program.
  std::vector<std::string> names;
  bool covers = false;    ///< The name that the client asked for.
  bool fallback = false;  ///< The default certificate.
  bool expired = false;
  std::chrono::system_clock::time_point not_after;
};

/// What might have served the request and did not.
struct Bypassed {
  std::string what;
  std::string why;
};

struct Explanation {
  std::string method;
  std::string url;
  std::string client;  ///< Its address, as trusted proxies name it.
  features::Outcome outcome = features::Outcome::kForward;
  std::uint16_t status = 0;  ///< Of the answer made here; 0: the backend's.
  std::string message;       ///< The cause, in one line.
  std::string location;      ///< Of a redirect.
  std::string path;          ///< Normalised.
  std::optional<ExplainedRoute> route;
  std::optional<ExplainedPool> pool;
  std::optional<ExplainedCertificate> certificate;  ///< For https.
  std::vector<Bypassed> bypassed;
  std::vector<Diagnostic> diagnostics;  ///< Those that have to do with it.

  /// A route forwards it or answers it with a redirect.
  [[nodiscard]] bool served() const noexcept { return status < 400; }
};

struct ExplainInput {
  const routing::Snapshot& snapshot;
  std::span<const Diagnostic> diagnostics;
  /// Where there is one, it tells of Ingresses that made no route, and of fields.
  const Store* store = nullptr;
  const TranslateOptions& options;
  std::chrono::system_clock::time_point now;
};

/// Pure.
Explanation explain(const ExplainRequest& request, const ExplainInput& input);

/// "forwarded", "no-route" and so on.
std::string_view to_string(features::Outcome outcome) noexcept;

nlohmann::json to_json(const Explanation& explanation);

}  // namespace cppx::controller
