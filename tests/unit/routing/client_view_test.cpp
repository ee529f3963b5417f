#include "routing/client/client_view.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>

namespace cppx::routing {
namespace {

using Fields = std::vector<std::pair<std::string_view, std::string_view>>;

ClientTrust trust_of(std::string_view ranges, bool forwarded = true) {
  ClientTrust trust;
  trust.trusted = *IpRanges::parse(ranges);
  trust.use_forwarded_headers = forwarded;
  return trust;
}

struct Request {
  explicit Request(const Fields& fields, std::string_view from = "10.0.0.1")
      : address(*IpAddress::parse(from), 4711) {
    for (const auto& [name, value] : fields)
      head.fields.push({.name = name, .value = value, .id = header_id(name)});
  }
  [[nodiscard]] ClientView view(const ClientTrust& trust, std::uint16_t destination = 0) const {
    return view_client(
        {.address = &address, .port = "80", .destination_port = destination, .tls = false}, head,
        trust
    );
  }
  ClientAddress address;
  RequestHead head;
};

TEST_CASE("view_client: the address is the first untrusted one from the right", "[routing]") {
  const struct {
    std::string_view trusted, field, address;
  } cases[] = {
      {"10.0.0.0/8", "192.0.2.1", "192.0.2.1"},
      {"10.0.0.0/8", "192.0.2.1, 10.0.0.2", "192.0.2.1"},
      {"10.0.0.0/8", "203.0.113.9, 192.0.2.1, 10.0.0.2", "192.0.2.1"},
      {"10.0.0.0/8", "10.0.0.3,10.0.0.2", "10.0.0.3"},
      {"0.0.0.0/0", "192.0.2.1, 192.0.2.2", "192.0.2.1"},
      {"0.0.0.0/0", "2001:DB8::1, 192.0.2.2", "2001:db8::1"},
      {"0.0.0.0/0", "192.0.2.1, 2001:db8::1, 192.0.2.2", "2001:db8::1"},
      {"10.0.0.0/8", "192.0.2.1:4000", "192.0.2.1"},
      {"10.0.0.0/8", "[2001:db8::1]:4000", "2001:db8::1"},
      {"10.0.0.0/8", "[2001:db8::1]", "2001:db8::1"},
      {"10.0.0.0/8", "::ffff:192.0.2.1", "192.0.2.1"},
      {"10.0.0.0/8", "[::ffff:192.0.2.1]", "192.0.2.1"},
      {"10.0.0.0/8", "[::ffff:192.0.2.1]:4000", "192.0.2.1"},
      {"10.0.0.0/8", " ,\t192.0.2.1 ,, ", "192.0.2.1"},
      // Not an address: what was found on the right of it holds.
      {"10.0.0.0/8", "unknown", "10.0.0.1"},
      {"10.0.0.0/8", "192.0.2.1, unknown", "10.0.0.1"},
      {"10.0.0.0/8", "192.0.2.1, unknown, 10.0.0.2", "10.0.0.2"},
      {"10.0.0.0/8", "192.0.2.1:99999", "10.0.0.1"},
      {"10.0.0.0/8", "[192.0.2.1]", "10.0.0.1"},
      {"10.0.0.0/8", "[2001:db8::1", "10.0.0.1"},
      {"10.0.0.0/8", "2001:db8::1x", "10.0.0.1"},
      {"10.0.0.0/8", "", "10.0.0.1"},
      {"10.0.0.0/8", " , ", "10.0.0.1"},
      // The peer is not trusted.
      {"172.16.0.0/12", "192.0.2.1", "10.0.0.1"},
      {"::/0", "192.0.2.1", "10.0.0.1"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.trusted, c.field);
    const Request request({{"X-Forwarded-For", c.field}});
    CHECK(request.view(trust_of(c.trusted)).address.view() == c.address);
    ClientTrust address_only = trust_of(c.trusted, false);
    address_only.enable_real_ip = true;
    CHECK(request.view(address_only).address.view() == c.address);
    CHECK(request.view(trust_of(c.trusted, false)).address.view() == "10.0.0.1");
  }
}

TEST_CASE("view_client: several fields are one list", "[routing]") {
  const Request request(
      {{"X-Forwarded-For", "192.0.2.1"},
       {"Accept", "*/*"},
       {"x-forwarded-for", "10.0.0.3, 10.0.0.2"}}
  );
  CHECK(request.view(trust_of("10.0.0.0/8")).address.view() == "192.0.2.1");
}

TEST_CASE("view_client: a made-up chain is followed only so far", "[routing]") {
  std::string list = "192.0.2.1";
  for (int i = 0; i < 1000; ++i) list += ",10.0.0.2";
  const Request request({{"X-Forwarded-For", list}});
  CHECK(request.view(trust_of("10.0.0.0/8")).address.view() == "10.0.0.2");
}

TEST_CASE("view_client: another field may hold the address", "[routing]") {
  const Request request({{"X-Forwarded-For", "192.0.2.1"}, {"CF-Connecting-IP", "203.0.113.9"}});
  ClientTrust trust = trust_of("10.0.0.0/8");
  trust.forwarded_for_header = "cf-connecting-ip";
  CHECK(request.view(trust).address.view() == "203.0.113.9");
}

TEST_CASE("view_client: scheme, port and host of a trusted peer", "[routing]") {
  const Request request(
      {{"X-Forwarded-Proto", "https"},
       {"X-Forwarded-Port", "8443"},
       {"X-Forwarded-Host", "www.example.com:8443 , inner.example.com"}}
  );
  const ClientView view = request.view(trust_of("10.0.0.0/8"));
  CHECK(view.scheme == "https");
  CHECK(view.port == "8443");
  CHECK(view.host == "www.example.com:8443");
  CHECK(view.host_name == "www.example.com");
  for (const auto& trust : {trust_of("172.16.0.0/12"), trust_of("10.0.0.0/8", false)}) {
    const ClientView plain = request.view(trust);
    CHECK(plain.scheme == "http");
    CHECK(plain.port == "80");
    CHECK(plain.host.empty());
    CHECK(plain.host_name.empty());
  }
  ClientTrust address_only = trust_of("10.0.0.0/8", false);
  address_only.enable_real_ip = true;
  CHECK(request.view(address_only).scheme == "http");
  CHECK(request.view(address_only).host.empty());
}

TEST_CASE("view_client: of a field that came twice the last one counts", "[routing]") {
  const Request request({{"X-Forwarded-Proto", "https"}, {"X-Forwarded-Proto", "http"}});
  CHECK(request.view(trust_of("10.0.0.0/8")).scheme == "http");
}

TEST_CASE("view_client: values that cannot be used are left out", "[routing]") {
  const std::string long_text(300, 'a');
  const std::string_view hosts[] = {"", ",b.example.com", "a/b", "user@a", "a b", long_text};
  for (const auto host : hosts) {
    CAPTURE(host);
    const Request request(
        {{"X-Forwarded-Host", host}, {"X-Forwarded-Proto", ""}, {"X-Forwarded-Port", long_text}}
    );
    const ClientView view = request.view(trust_of("10.0.0.0/8"));
    CHECK(view.host.empty());
    CHECK(view.scheme == "http");
    CHECK(view.port == "80");
  }
}

TEST_CASE("view_client: a PROXY header's port 443 means https", "[routing]") {
  const Request request({{"X-Forwarded-Proto", "http"}});
  CHECK(request.view(ClientTrust{}, 443).scheme == "https");
  CHECK(request.view(trust_of("10.0.0.0/8"), 443).scheme == "https");
  CHECK(request.view(trust_of("10.0.0.0/8"), 8443).scheme == "http");
}

TEST_CASE("view_client: the whole list is passed on for trusted peers only", "[routing]") {
  const Request request({{"X-Forwarded-For", "192.0.2.1"}});
  ClientTrust trust = trust_of("10.0.0.0/8");
  CHECK_FALSE(request.view(trust).append_forwarded_for);
  trust.compute_full_forwarded_for = true;
  CHECK(request.view(trust).append_forwarded_for);
  trust.trusted = *IpRanges::parse("172.16.0.0/12");
  CHECK_FALSE(request.view(trust).append_forwarded_for);
  trust = trust_of("10.0.0.0/8", false);
  trust.compute_full_forwarded_for = true;
  trust.enable_real_ip = true;
  CHECK_FALSE(request.view(trust).append_forwarded_for);
}

}  // namespace
}  // namespace cppx::routing
