#include "proxy/observe/access_line.h"

#include <unistd.h>

#include <array>
#include <cstdint>
#include <optional>

#include "base/text.h"
#include "proxy/observe/line_buffer.h"
#include "routing/client/ip_address.h"

namespace cppx::proxy {
namespace {

using routing::LogFormat;
using routing::LogVariable;

/// Takes what a RequestVariable gives, and remembers whether it gave anything.
struct ValueSink {
  LineBuffer& line;
  bool found = false;
  void literal(std::string_view text) noexcept { line.literal(text); }
  void value(std::string_view text) noexcept {
    found = true;
    line.value(text);
  }
  void lowered(std::string_view text) noexcept {
    found = true;
    line.lowered(text);
  }
};

void put_request_variable(
    LineBuffer& line, const routing::RequestVariable& variable, const AccessFacts& facts
) {
  ValueSink sink{line};
  if (facts.request != nullptr) variable.feed(*facts.request, sink);
  if (!sink.found) line.missing();
}

void put_optional(LineBuffer& line, std::string_view text) noexcept {
  if (text.empty())
    line.missing();
  else
    line.value(text);
}

int digit_of_base64(char c) noexcept {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

constexpr std::size_t kLongestUser = 256;

/// The user of Basic credentials (RFC 7617), as far as it fits; empty: none.
std::string_view user_of(std::string_view authorization, std::array<char, kLongestUser>& memory) {
  constexpr std::string_view kScheme = "Basic ";
  if (authorization.size() < kScheme.size() ||
      !iequals(authorization.substr(0, kScheme.size()), kScheme))
    return {};
  std::uint32_t bits = 0;
  unsigned held = 0;
  std::size_t size = 0;
  for (const char c : trim(authorization.substr(kScheme.size()))) {
    const int digit = digit_of_base64(c);
    if (digit < 0) return {};
    bits = bits << 6U | static_cast<std::uint32_t>(digit);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    const char decoded = static_cast<char>(bits >> held & 0xffU);
    if (decoded == ':' || size == memory.size()) return {memory.data(), size};
    memory[size++] = decoded;
  }
  return {};  // without a password they are no credentials
}

void put_user(LineBuffer& line, const AccessFacts& facts) {
  std::array<char, kLongestUser> memory;
  std::string_view user;
  if (facts.request != nullptr)
    for (const routing::HeaderField& field : facts.request->fields)
      if (iequals(field.name, "authorization")) user = user_of(field.value, memory);
  put_optional(line, user);
}

void put_request(LineBuffer& line, const AccessFacts& facts) {
  if (!facts.request_line.empty() || facts.request == nullptr) {
    put_optional(line, facts.request_line);
    return;
  }
  line.value(facts.request->method);
  line.literal(" ");
  line.value(facts.request->target);
  line.literal(" ");
  line.value(facts.protocol);
}

// "namespace-service-port", by which dashboards know it.
void put_upstream_name(LineBuffer& line, const AccessFacts& facts) {
  if (facts.route != nullptr && !facts.route->origin.service.empty()) {
    const routing::RouteOrigin& origin = facts.route->origin;
    line.value(origin.ns);
    line.literal("-");
    line.value(origin.service);
    line.literal("-");
    line.value(origin.service_port);
  } else if (facts.default_backend) {
    line.literal("upstream-default-backend");
  }
}

// What an Ingress says; nothing for requests that none has taken.
void put_origin(
    LineBuffer& line, const AccessFacts& facts, std::string routing::RouteOrigin::* member
) {
  if (facts.route != nullptr) line.value(facts.route->origin.*member);
}

void put_address(LineBuffer& line, const routing::EndpointAddress& address) {
  const routing::IpAddress ip{.bytes = address.ip};
  std::array<char, routing::IpAddress::kMaxText> text;
  if (!ip.is_v4()) line.literal("[");
  line.literal({text.data(), ip.format(text)});
  line.literal(ip.is_v4() ? ":" : "]:");
  line.number(address.port);
}

void put_time(LineBuffer& line, std::chrono::milliseconds time) {
  if (time == UpstreamTry::kNever)
    line.literal("-");
  else
    line.seconds(time);
}

void put_of_try(LineBuffer& line, LogVariable variable, const UpstreamTry& one) {
  switch (variable) {
    case LogVariable::kUpstreamAddr:
      put_address(line, one.address);
      break;
    case LogVariable::kUpstreamConnectTime:
      put_time(line, one.connect);
      break;
    case LogVariable::kUpstreamHeaderTime:
      put_time(line, one.header);
      break;
    case LogVariable::kUpstreamResponseLength:
      line.number(one.response_bytes);
      break;
    case LogVariable::kUpstreamResponseTime:
      put_time(line, one.response);
      break;
    default:  // kUpstreamStatus
      if (one.status == 0)
        line.literal("-");
      else
        line.number(one.status);
      break;
  }
}

void put_of_tries(LineBuffer& line, LogVariable variable, const AccessFacts& facts) {
  if (facts.tries.empty()) line.missing();
  bool first = true;
  for (const UpstreamTry& one : facts.tries) {
    if (!first) line.literal(", ");
    first = false;
    put_of_try(line, variable, one);
  }
}

void put_number_or_missing(LineBuffer& line, std::uint64_t number) {
  if (number == 0)
    line.missing();
  else
    line.number(number);
}

/// What the connection and the exchange give; false: `variable` is of the other kinds.
bool put_of_exchange(
    LineBuffer& line, LogVariable variable, const AccessFacts& facts, const LogClock& clock
) {
  switch (variable) {
    case LogVariable::kBodyBytesSent:
      line.number(facts.sent_body_bytes);
      return true;
    case LogVariable::kBytesSent:
      line.number(facts.sent_bytes);
      return true;
    case LogVariable::kConnection:
      line.number(facts.connection);
      return true;
    case LogVariable::kConnectionRequests:
      line.number(facts.connection_requests);
      return true;
    case LogVariable::kMsec:
      line.seconds(clock.since_epoch());
      return true;
    case LogVariable::kPid:
      line.number(static_cast<std::uint64_t>(::getpid()));
      return true;
    case LogVariable::kRequestLength:
      line.number(facts.request_bytes);
      return true;
    case LogVariable::kRequestTime:
      line.seconds(facts.duration);
      return true;
    case LogVariable::kStatus:
      line.padded(facts.status, 3);
      return true;
    case LogVariable::kTimeIso8601:
      line.literal(clock.iso8601());
      return true;
    case LogVariable::kTimeLocal:
      line.literal(clock.local());
      return true;
    default:
      return false;
  }
}

/// Who asked and by which way; false: `variable` is of the other kinds.
bool put_of_client(LineBuffer& line, LogVariable variable, const AccessFacts& facts) {
  switch (variable) {
    case LogVariable::kProxyProtocolAddr:
      put_optional(line, facts.announced_address);
      return true;
    case LogVariable::kRealipRemoteAddr:
      line.value(facts.connection_address);
      return true;
    case LogVariable::kRemoteAddr:
      line.value(facts.client_address);
      return true;
    case LogVariable::kRemotePort:
      if (facts.client_port != 0) line.number(facts.client_port);
      return true;
    case LogVariable::kRemoteUser:
      put_user(line, facts);
      return true;
    case LogVariable::kScheme:
      line.literal(facts.over_tls ? "https" : "http");
      return true;
    case LogVariable::kServerName:
      line.value(facts.server_name);
      return true;
    case LogVariable::kServerPort:
      put_number_or_missing(line, facts.server_port);
      return true;
    case LogVariable::kSslCipher:
      put_optional(line, facts.tls.cipher);
      return true;
    case LogVariable::kSslProtocol:
      put_optional(line, facts.tls.protocol);
      return true;
    case LogVariable::kSslServerName:
      put_optional(line, facts.tls.server_name);
      return true;
    default:
      return false;
  }
}

/// What was asked for, and who was to answer.
void put_of_request(LineBuffer& line, const LogFormat::Part& part, const AccessFacts& facts) {
  switch (part.variable) {
    case LogVariable::kLiteral:
      line.literal(part.text);
      break;
    case LogVariable::kRequestVariable:
      put_request_variable(line, part.request, facts);
      break;
    case LogVariable::kIngressName:
      put_origin(line, facts, &routing::RouteOrigin::ingress);
      break;
    case LogVariable::kLocationPath:
      if (facts.route != nullptr) line.value(facts.route->path);
      break;
    case LogVariable::kNamespace:
      put_origin(line, facts, &routing::RouteOrigin::ns);
      break;
    case LogVariable::kNormalizedPath:
      put_optional(line, facts.normalized_path);
      break;
    case LogVariable::kProxyAlternativeUpstreamName:
      break;
    case LogVariable::kProxyUpstreamName:
      put_upstream_name(line, facts);
      break;
    case LogVariable::kReqId:
      put_optional(line, facts.request_id);
      break;
    case LogVariable::kRequest:
      put_request(line, facts);
      break;
    case LogVariable::kServerProtocol:
      put_optional(line, facts.protocol);
      break;
    case LogVariable::kServiceName:
      put_origin(line, facts, &routing::RouteOrigin::service);
      break;
    case LogVariable::kServicePort:
      put_origin(line, facts, &routing::RouteOrigin::service_port);
      break;
    default:
      put_of_tries(line, part.variable, facts);
      break;
  }
}

}  // namespace

std::string_view access_line(
    const routing::AccessLogSettings& settings, const AccessFacts& facts, const LogClock& clock,
    std::span<char> memory
) {
  LineBuffer line(memory, settings.escape);
  for (const LogFormat::Part& part : settings.format.parts()) {
    if (put_of_exchange(line, part.variable, facts, clock)) continue;
    if (put_of_client(line, part.variable, facts)) continue;
    put_of_request(line, part, facts);
  }
  return line.finish();
}

}  // namespace cppx::proxy
