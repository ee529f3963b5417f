#include "routing/client/client_view.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/text.h"
#include "routing/client/client_address.h"
#include "routing/client/client_trust.h"
#include "routing/client/ip_address.h"
#include "routing/http/host.h"
#include "routing/http/message.h"

namespace cppx::routing {
namespace {

// What a trusted proxy says is sent on up to three times: more is nothing it would say.
constexpr std::size_t kMaxText = 64;
constexpr std::size_t kMaxHost = 260;  // a name of 253 and a port
constexpr std::string_view kSeparators = ", \t";
// Proxies in a row; a client that makes up more does not get more of our time.
constexpr std::size_t kMaxHops = 256;
constexpr std::uint16_t kHttpsPort = 443;

struct Hop {
  IpAddress ip;
  std::uint16_t port = 0;
};

/// "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80".
std::optional<Hop> parse_hop(std::string_view text) noexcept {
  if (const auto ip = IpAddress::parse(text)) return Hop{.ip = *ip};
  const bool bracket = text.starts_with('[');
  const auto end = text.find(bracket ? ']' : ':');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view literal = text.substr(bracket ? 1 : 0, bracket ? end - 1 : end);
  const auto ip = IpAddress::parse(literal);
  // Not by what it is taken for: "[::ffff:192.0.2.1]" is one as well.
  if (!ip || (literal.find(':') != std::string_view::npos) != bracket) return std::nullopt;
  std::string_view rest = text.substr(bracket ? end + 1 : end);
  if (rest.empty()) return Hop{.ip = *ip};
  if (!rest.starts_with(':')) return std::nullopt;
  const auto port = parse_int<std::uint16_t>(rest.substr(1));
  if (!port) return std::nullopt;
  return Hop{.ip = *ip, .port = *port};
}

/// Cuts the last item off `list`; empty when there is none.
std::string_view take_last(std::string_view& list) noexcept {
  const auto last = list.find_last_not_of(kSeparators);
  if (last == std::string_view::npos) return {};
  list = list.substr(0, last + 1);
  const auto before = list.find_last_of(kSeparators);
  const std::size_t begin = before == std::string_view::npos ? 0 : before + 1;
  const std::string_view item = list.substr(begin);
  list = list.substr(0, begin);
  return item;
}

/// Nothing when the field says nothing that can be used.
std::optional<Hop> find_client(const HeaderFields& fields, const ClientTrust& trust) noexcept {
  std::optional<Hop> found;
  std::size_t hops = 0;
  for (auto field = fields.end(); field != fields.begin();) {
    --field;
    if (!iequals(field->name, trust.forwarded_for_header)) continue;
    std::string_view list = field->value;
    for (auto item = take_last(list); !item.empty(); item = take_last(list)) {
      const auto hop = parse_hop(item);
      if (!hop) return found;
      found = hop;
      if (!trust.trusted.contains(hop->ip) || ++hops == kMaxHops) return found;
    }
  }
  return found;
}

/// The value of the last field of that name: the one that the nearest proxy added.
std::string_view last_value(const HeaderFields& fields, HeaderId id) noexcept {
  for (auto field = fields.end(); field != fields.begin();) {
    --field;
    if (field->id == id) return field->value;
  }
  return {};
}

void take_host(std::string_view list, ClientView& out) noexcept {
  const std::string_view first = trim(list.substr(0, list.find(',')));
  if (first.size() > kMaxHost) return;
  if (const auto name = host_without_port(first)) {
    out.host = first;
    out.host_name = *name;
  }
}

void take_fields(const HeaderFields& fields, ClientView& out) noexcept {
  const auto scheme = last_value(fields, HeaderId::kXForwardedProto);
  if (!scheme.empty() && scheme.size() <= kMaxText) out.scheme = scheme;
  const auto port = last_value(fields, HeaderId::kXForwardedPort);
  if (!port.empty() && port.size() <= kMaxText) out.port = port;
  take_host(last_value(fields, HeaderId::kXForwardedHost), out);
}

}  // namespace

ClientView view_client(
    const ConnectionOrigin& connection, const RequestHead& request, const ClientTrust& trust
) {
  ClientView out{
      .address = *connection.address,
      .scheme = connection.tls ? std::string_view("https") : std::string_view("http"),
      .port = connection.port
  };
  const bool reads_fields = trust.use_forwarded_headers || trust.enable_real_ip;
  if (reads_fields && trust.trusted.contains(connection.address->ip())) {
    if (const auto hop = find_client(request.fields, trust))
      out.address = ClientAddress(hop->ip, hop->port);
    if (trust.use_forwarded_headers) {
      take_fields(request.fields, out);
      out.append_forwarded_for = trust.compute_full_forwarded_for;
    }
  }
  // A load balancer that ended TLS says so by the port that its client came to.
  if (connection.destination_port == kHttpsPort) out.scheme = "https";
  return out;
}

}  // namespace cppx::routing
