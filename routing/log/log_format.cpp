#include "routing/log/log_format.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"
#include "routing/variable/request_variable.h"
#include "routing/variable/template_text.h"

namespace cppx::routing {
namespace {

struct Known {
  std::string_view name;
  LogVariable variable;
};

constexpr std::array kVariables{
    Known{"body_bytes_sent", LogVariable::kBodyBytesSent},
    Known{"bytes_sent", LogVariable::kBytesSent},
    Known{"connection", LogVariable::kConnection},
    Known{"connection_requests", LogVariable::kConnectionRequests},
    Known{"document_uri", LogVariable::kNormalizedPath},
    Known{"ingress_name", LogVariable::kIngressName},
    Known{"location_path", LogVariable::kLocationPath},
    Known{"msec", LogVariable::kMsec},
    Known{"namespace", LogVariable::kNamespace},
    Known{"pid", LogVariable::kPid},
    Known{"proxy_alternative_upstream_name", LogVariable::kProxyAlternativeUpstreamName},
    Known{"proxy_protocol_addr", LogVariable::kProxyProtocolAddr},
    Known{"proxy_upstream_name", LogVariable::kProxyUpstreamName},
    Known{"realip_remote_addr", LogVariable::kRealipRemoteAddr},
    Known{"remote_addr", LogVariable::kRemoteAddr},
    Known{"remote_port", LogVariable::kRemotePort},
    Known{"remote_user", LogVariable::kRemoteUser},
    Known{"req_id", LogVariable::kReqId},
    Known{"request", LogVariable::kRequest},
    Known{"request_id", LogVariable::kReqId},
    Known{"request_length", LogVariable::kRequestLength},
    Known{"request_time", LogVariable::kRequestTime},
    Known{"scheme", LogVariable::kScheme},
    Known{"server_name", LogVariable::kServerName},
    Known{"server_port", LogVariable::kServerPort},
    Known{"server_protocol", LogVariable::kServerProtocol},
    Known{"service_name", LogVariable::kServiceName},
    Known{"service_port", LogVariable::kServicePort},
    Known{"ssl_cipher", LogVariable::kSslCipher},
    Known{"ssl_protocol", LogVariable::kSslProtocol},
    Known{"ssl_server_name", LogVariable::kSslServerName},
    Known{"status", LogVariable::kStatus},
    Known{"the_real_ip", LogVariable::kRemoteAddr},
    Known{"time_iso8601", LogVariable::kTimeIso8601},
    Known{"time_local", LogVariable::kTimeLocal},
    Known{"upstream_addr", LogVariable::kUpstreamAddr},
    Known{"upstream_connect_time", LogVariable::kUpstreamConnectTime},
    Known{"upstream_header_time", LogVariable::kUpstreamHeaderTime},
    Known{"upstream_response_length", LogVariable::kUpstreamResponseLength},
    Known{"upstream_response_time", LogVariable::kUpstreamResponseTime},
    Known{"upstream_status", LogVariable::kUpstreamStatus},
    Known{"uri", LogVariable::kNormalizedPath},
};

constexpr std::string_view kUsual =
    "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent "
    "\"$http_referer\" \"$http_user_agent\" $request_length $request_time [$proxy_upstream_name] "
    "[$proxy_alternative_upstream_name] $upstream_addr $upstream_response_length "
    "$upstream_response_time $upstream_status $req_id";

std::optional<LogFormat::Part> variable_of(std::string_view given) {
  // Names of variables have no case.
  const std::string name = to_lower(given);
  const auto known = std::ranges::lower_bound(kVariables, name, {}, &Known::name);
  if (known != kVariables.end() && known->name == name)
    return LogFormat::Part{.variable = known->variable};
  std::optional<RequestVariable> request = RequestVariable::parse(name);
  if (name == "content_length" || name == "content_type")
    request = {.kind = RequestVariable::Kind::kHeader, .name = name};
  if (!request) return std::nullopt;
  return LogFormat::Part{.variable = LogVariable::kRequestVariable, .request = std::move(*request)};
}

bool is_of_tls(LogVariable variable) noexcept {
  return variable == LogVariable::kSslCipher || variable == LogVariable::kSslProtocol ||
         variable == LogVariable::kSslServerName;
}

}  // namespace

void LogFormat::add_literal(std::string_view text) {
  if (!parts_.empty() && parts_.back().variable == LogVariable::kLiteral)
    parts_.back().text.append(text);
  else
    parts_.push_back({.text = std::string(text)});
}

LogFormat LogFormat::compile(std::string_view text, std::vector<std::string>& unknown) {
  static_assert(std::ranges::is_sorted(kVariables, {}, &Known::name));
  LogFormat out;
  while (const auto piece = take_piece(text)) {
    if (piece->kind == TemplatePiece::Kind::kLiteral) {
      out.add_literal(piece->text);
      continue;
    }
    auto part =
        piece->kind == TemplatePiece::Kind::kVariable ? variable_of(piece->text) : std::nullopt;
    if (!part) {
      unknown.emplace_back(piece->text);
      out.add_literal("-");
      continue;
    }
    out.uses_tls_ = out.uses_tls_ || is_of_tls(part->variable);
    out.parts_.push_back(std::move(*part));
  }
  return out;
}

LogFormat LogFormat::usual() {
  std::vector<std::string> unknown;
  return compile(kUsual, unknown);
}

}  // namespace cppx::routing
