#pragma once
// kube/: the Kubernetes API as a source of objects.
//
//   KubeConfig → Credentials → ApiClient (Connection) → ListWatch → Reflector (decode) → ObjectSink
//
// KubeSource owns one Reflector a resource and namespace. All on the control thread's io_context;
// no expected failure is an exception. May include: model, dns, base.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/beast/http/verb.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "controller/dns/ares_channel.h"
#include "controller/kube/connection.h"
#include "controller/kube/credentials.h"
#include "controller/kube/inflater.h"
#include "controller/kube/kube_config.h"
#include "controller/kube/line_splitter.h"
#include "controller/kube/list_gate.h"
#include "controller/kube/task.h"

namespace cppx::controller {

struct ApiRequest {
  boost::beast::http::verb method = boost::beast::http::verb::get;
  std::string target;  ///< Path and query: "/api/v1/nodes?limit=500".
  std::string body;
  std::string content_type = "application/json";
  /// Asked at the last moment before it is sent, and before it is sent again: false makes it
  /// kCancelled. Empty: always.
  std::function<bool()> allowed = {};
};

/// What came back, whatever its status. The body is decompressed.
struct ApiResponse {
  unsigned status = 0;
  std::optional<std::chrono::seconds> retry_after;
  std::string body;

  [[nodiscard]] bool ok() const noexcept { return status >= 200 && status < 300; }
};

/// The JSON of a 2xx response; otherwise the Error of its status (see error_of_status()) with the
/// message of the Status object in the body.
Result<nlohmann::json> to_json(const ApiResponse& response);

/// How a PATCH body is to be understood.
enum class PatchType : std::uint8_t { kMerge, kStrategicMerge };

struct ApiClientOptions {
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds tls_timeout{10'000};
  /// Of an exchange, once connected, until something of the answer comes, and then until more does:
  /// a slow answer is not a dead one.
  std::chrono::milliseconds request_timeout{30'000};
  std::chrono::milliseconds idle_timeout{60'000};  ///< How long a connection is kept for reuse.
  std::size_t body_limit_bytes = 256UL * 1024 * 1024;
  std::size_t watch_line_limit_bytes = 16UL * 1024 * 1024;
  std::size_t idle_connections = 4;
  std::size_t lists_at_once = 3;
  dns::AresOptions resolver = {};  ///< How the server's name is looked up.
};

/// The lines of one watch response, with the connection that belongs to it.
class WatchStream {
 public:
  WatchStream(std::unique_ptr<Connection> connection, std::size_t line_limit_bytes);

  /// The next line, valid until the next call; nothing at the regular end of the response. kTimeout
  /// when none came until `deadline`; kClosed when the response was cut.
  Task<Result<std::optional<std::string_view>>> next(Connection::Deadline deadline);
  /// Lines that were over the limit and left out.
  [[nodiscard]] std::size_t dropped() const noexcept { return lines_.dropped(); }

 private:
  friend class ApiClient;

  std::unique_ptr<Connection> connection_;
  Connection::Parser parser_;
  LineSplitter lines_;
  std::vector<char> chunk_;
  std::optional<Inflater> inflater_;  ///< When the response is compressed.
  std::string inflated_;
};

/// `stream` is there when the status is 200; otherwise `response` holds the server's answer.
struct WatchOpening {
  ApiResponse response;
  std::unique_ptr<WatchStream> stream;
};

/// Client of one API server. Plain requests reuse connections; every watch has its own. Any number
/// of calls may be under way; all on the io_context's thread. Errors are those of Connection plus
/// kTooLarge, kParse and, with to_json() and the calls that use it, those of error_of_status().
class ApiClient {
 public:
  /// Reads the credentials; errors as from Credentials::open().
  static Result<std::unique_ptr<ApiClient>> create(
      boost::asio::io_context& io, KubeConfig config, ApiClientOptions options = {}
  );
  ApiClient(const ApiClient&) = delete;
  ApiClient& operator=(const ApiClient&) = delete;

  Task<Result<ApiResponse>> send(ApiRequest request);
  Task<Result<WatchOpening>> watch(std::string target);

  Task<Result<nlohmann::json>> get(std::string target);
  Task<Result<nlohmann::json>> post(std::string target, nlohmann::json body);
  Task<Result<nlohmann::json>> put(std::string target, nlohmann::json body);
  /// `target` may end in "/status" for the subresource.
  Task<Result<nlohmann::json>> patch(std::string target, nlohmann::json body, PatchType type);
  /// `options` is a DeleteOptions object, or null for none.
  Task<Result<nlohmann::json>> remove(std::string target, nlohmann::json options);

  /// To be passed by every list.
  [[nodiscard]] ListGate& list_gate() noexcept { return list_gate_; }
  /// Whether the server may have streaming lists: until told otherwise, and never again from then
  /// on, as the kinds that come later need not find out for themselves.
  [[nodiscard]] bool may_stream_lists() const noexcept { return may_stream_lists_; }
  void has_no_streaming_lists() noexcept { may_stream_lists_ = false; }

  [[nodiscard]] Executor executor() const noexcept { return executor_; }
  [[nodiscard]] const KubeConfig& config() const noexcept { return credentials_.config(); }

 private:
  using Clock = std::chrono::steady_clock;

  ApiClient(boost::asio::io_context& io, Credentials credentials, ApiClientOptions options);
  Task<Result<nlohmann::json>> send_for_json(ApiRequest request);
  Task<Result<std::unique_ptr<Connection>>> connect();
  Task<Result<ApiResponse>> exchange(Connection& connection, ApiRequest request, bool& reusable);
  Task<Result<void>> read_whole_body(
      Connection& connection, Connection::Parser& parser, std::string& body
  );
  Task<Result<ApiResponse>> send_with_credentials(const ApiRequest& request);
  Task<Result<WatchOpening>> open_watch(const std::string& target);
  /// Whether the server refused a token for which there is a newer one by now.
  bool is_outdated(unsigned status, const std::string& token);
  Connection::Request make_request(const ApiRequest& request);
  ApiResponse head_of(const Connection::Parser& parser);
  std::unique_ptr<Connection> take_idle();
  void give_back(std::unique_ptr<Connection> connection);

  Executor executor_;
  Credentials credentials_;
  ApiClientOptions options_;
  dns::AresChannel resolver_;
  std::size_t resolving_ = 0;  ///< Calls that wait for the resolver.
  std::vector<std::unique_ptr<Connection>> idle_;
  ListGate list_gate_;
  bool may_stream_lists_ = true;
};

}  // namespace cppx::controller
