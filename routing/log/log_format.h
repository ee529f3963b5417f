#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "routing/variable/request_variable.h"

namespace cppx::routing {

/// How the values in a line of the access log are written, as log_format of nginx has it. Control
/// characters are escaped in any case: a value never ends its line.
enum class LogEscape : std::uint8_t {
  kDefault,  ///< `"`, `\` and all that is not printable ASCII as \xXX; what is missing as "-".
  kJson,     ///< As the inside of a JSON string; what is missing as nothing, and so for kNone.
  kNone,
};

/// What a part of a line is: a literal, what the request's head gives, or one of the variables that
/// only the log has, by their names in nginx.
enum class LogVariable : std::uint8_t {
  kLiteral,
  kRequestVariable,
  kBodyBytesSent,
  kBytesSent,
  kConnection,
  kConnectionRequests,
  kIngressName,
  kLocationPath,
  kMsec,
  kNamespace,
  kNormalizedPath,  ///< uri
  kPid,
  kProxyAlternativeUpstreamName,
  kProxyProtocolAddr,
  kProxyUpstreamName,
  kRealipRemoteAddr,
  kRemoteAddr,
  kRemotePort,
  kRemoteUser,
  kReqId,
  kRequest,
  kRequestLength,
  kRequestTime,
  kScheme,
  kServerName,
  kServerPort,
  kServerProtocol,
  kServiceName,
  kServicePort,
  kSslCipher,
  kSslProtocol,
  kSslServerName,
  kStatus,
  kTimeIso8601,
  kTimeLocal,
  kUpstreamAddr,
  kUpstreamConnectTime,
  kUpstreamHeaderTime,
  kUpstreamResponseLength,
  kUpstreamResponseTime,
  kUpstreamStatus,
};

/// The form of a line of the access log, as of log-format-upstream: text with variables, compiled
/// once. Immutable.
class LogFormat {
 public:
  struct Part {
    LogVariable variable = LogVariable::kLiteral;
    std::string text{};         ///< Of a literal.
    RequestVariable request{};  ///< Of kRequestVariable.
    bool operator==(const Part&) const = default;
  };

  /// A variable that is not known comes out as "-"; its name is added to `unknown`.
  static LogFormat compile(std::string_view text, std::vector<std::string>& unknown);
  /// The format of ingress-nginx.
  static LogFormat usual();

  [[nodiscard]] const std::vector<Part>& parts() const noexcept { return parts_; }
  /// Whether a line needs what has to be asked of the TLS connection.
  [[nodiscard]] bool uses_tls() const noexcept { return uses_tls_; }

  bool operator==(const LogFormat&) const = default;

 private:
  void add_literal(std::string_view text);

  std::vector<Part> parts_;
  bool uses_tls_ = false;
};

}  // namespace cppx::routing
