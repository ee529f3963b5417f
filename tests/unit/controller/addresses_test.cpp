#include "controller/status/addresses.h"

#include <set>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

namespace cppx::controller {
namespace {

using nlohmann::json;

LoadBalancerAddress ip(std::string text) { return {.ip = std::move(text), .hostname = {}}; }
LoadBalancerAddress name(std::string text) { return {.ip = {}, .hostname = std::move(text)}; }

Addresses of(const char* service) { return addresses_of_service(json::parse(service)).value(); }

}  // namespace

TEST_CASE("addresses_of_service: by the type of the Service", "[controller]") {
  CHECK(
      of(R"({"spec": {"type": "LoadBalancer", "clusterIP": "10.96.0.9", "externalIPs": ["192.0.2.9", "192.0.2.1"]},
             "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1", "hostname": "ignored.test"}, {"hostname": "lb.test"}]}}})"
      ) == Addresses{name("lb.test"), ip("192.0.2.1"), ip("192.0.2.9")}
  );
  CHECK(of(R"({"spec": {"type": "LoadBalancer", "clusterIP": "10.96.0.9"}})").empty());
  CHECK(
      of(R"({"spec": {"type": "NodePort", "clusterIP": "10.96.0.9"}})") ==
      Addresses{ip("10.96.0.9")}
  );
  CHECK(
      of(R"({"spec": {"type": "NodePort", "clusterIP": "10.96.0.9", "externalIPs": ["192.0.2.2"]}})"
      ) == Addresses{ip("192.0.2.2")}
  );
  CHECK(
      of(R"({"spec": {"type": "ClusterIP", "clusterIP": "10.96.0.9", "externalIPs": ["192.0.2.2"]}})"
      ) == Addresses{ip("10.96.0.9")}
  );
  CHECK(of(R"({"spec": {"type": "ClusterIP", "clusterIP": "None"}})").empty());
  CHECK(
      of(R"({"spec": {"type": "ExternalName", "externalName": "edge.test"}})") ==
      Addresses{name("edge.test")}
  );
  CHECK(addresses_of_service(json::parse(R"({"spec": {"type": "Other"}})")).has_error());
  CHECK(addresses_of_service(json::parse(R"({"spec": 1})")).has_error());
}

TEST_CASE("to_address: an IP address or a name", "[controller]") {
  CHECK(to_address("192.0.2.1") == ip("192.0.2.1"));
  CHECK(to_address("2001:db8::1") == ip("2001:db8::1"));
  CHECK(to_address("192.0.2") == name("192.0.2"));
  CHECK(to_address("edge.test") == name("edge.test"));
}

TEST_CASE("normalized: sorted, each once, none empty", "[controller]") {
  CHECK(
      normalized({ip("192.0.2.2"), {}, ip("192.0.2.1"), name("a.test"), ip("192.0.2.2")}) ==
      Addresses{name("a.test"), ip("192.0.2.1"), ip("192.0.2.2")}
  );
}

TEST_CASE("address_of_node: which of its addresses", "[controller]") {
  const json node = json::parse(R"({"status": {"addresses": [
    {"type": "Hostname", "address": "node-1"}, {"type": "InternalIP", "address": "10.0.0.1"},
    {"type": "ExternalIP", "address": "192.0.2.1"}, {"type": "ExternalIP", "address": "192.0.2.2"}]}})"
  );
  CHECK(address_of_node(node, false) == "192.0.2.1");
  CHECK(address_of_node(node, true) == "10.0.0.1");
  const json inside =
      json::parse(R"({"status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}})");
  CHECK(address_of_node(inside, false) == "10.0.0.1");
  CHECK(address_of_node(json::object(), false).empty());
}

TEST_CASE("nodes_of_ready_pods: only pods that run and are ready count", "[controller]") {
  const json pods = json::parse(R"({"items": [
    {"spec": {"nodeName": "a"}, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}},
    {"spec": {"nodeName": "b"}, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}},
    {"spec": {"nodeName": "c"}, "status": {"phase": "Pending", "conditions": [{"type": "Ready", "status": "True"}]}},
    {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}},
    {"spec": {"nodeName": "a"}, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}]})"
  );
  CHECK(nodes_of_ready_pods(pods) == std::set<std::string>{"a"});
  CHECK(nodes_of_ready_pods(json::object()).empty());
}

TEST_CASE("has_other_pods: neither we nor those that end", "[controller]") {
  const json pods = json::parse(R"({"items": [{"metadata": {"name": "self"}},
    {"metadata": {"name": "ending", "deletionTimestamp": "2026-11-26T10:00:00Z"}}]})");
  CHECK_FALSE(has_other_pods(pods, "self"));
  CHECK(has_other_pods(pods, "somebody"));
}

TEST_CASE("selector_of_siblings: without what numbers versions of a template", "[controller]") {
  const json pod = json::parse(R"({"metadata": {"labels": {
    "app": "cppx", "part": "proxy", "pod-template-hash": "1", "controller-revision-hash": "2",
    "pod-template-generation": "3", "statefulset.kubernetes.io/pod-name": "cppx-0"}}})");
  CHECK(selector_of_siblings(pod) == "app=cppx,part=proxy");
  CHECK(selector_of_siblings(json::object()).empty());
}

TEST_CASE("present_addresses, to_json: what is written is what is read", "[controller]") {
  const Addresses addresses{name("edge.test"), ip("192.0.2.1")};
  json object;
  object["status"]["loadBalancer"]["ingress"] = to_json(addresses);
  CHECK(object["status"]["loadBalancer"]["ingress"][0] == json{{"hostname", "edge.test"}});
  CHECK(present_addresses(object) == addresses);
  CHECK(present_addresses(json::object()).empty());
}

}  // namespace cppx::controller
