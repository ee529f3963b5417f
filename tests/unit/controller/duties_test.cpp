#include "controller/duties/duties.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include "controller/model/decode.h"
#include "controller/status/addresses.h"
#include "tests/unit/controller/fake_kube_api.h"
#include "tests/unit/controller/kube_support.h"

namespace cppx::controller::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr const char* kPods = "/api/v1/pods";
constexpr const char* kNodes = "/api/v1/nodes";

json pod(const std::string& name, const std::string& node, bool ready = true) {
  return {
      {"metadata", {{"name", name}, {"namespace", "ops"}, {"labels", {{"app", "cppx"}}}}},
      {"spec", {{"nodeName", node}}},
      {"status",
       {{"phase", "Running"},
        {"conditions", json::array({{{"type", "Ready"}, {"status", ready ? "True" : "False"}}})}}}
  };
}

json node(const std::string& name, const std::string& internal, const std::string& external) {
  json addresses = json::array({{{"type", "InternalIP"}, {"address", internal}}});
  if (!external.empty()) addresses.push_back({{"type", "ExternalIP"}, {"address", external}});
  return {{"metadata", {{"name", name}}}, {"status", {{"addresses", addresses}}}};
}

json load_balancer(const std::string& ip) {
  return {
      {"metadata", {{"name", "front"}, {"namespace", "ops"}}},
      {"spec", {{"type", "LoadBalancer"}}},
      {"status", {{"loadBalancer", {{"ingress", json::array({{{"ip", ip}}})}}}}}
  };
}

struct DutiesSetup {
  DutiesSetup() {
    options.election_ttl = 8s;
    IngressClass ours;
    ours.meta.key = {"", "cppx"};
    ours.controller = classes.controller_class;
    store.apply(ours);
    api.put(kPods, pod("cppx-1", "node-1"));
    api.put(kNodes, node("node-1", "10.0.0.1", "192.0.2.1"));
    api.put(kNodes, node("node-2", "10.0.0.2", ""));
  }
  ~DutiesSetup() {
    if (duties == nullptr) return;
    duties->stop();
    CHECK(until([this] { return duties->stopped(); }));
  }
  DutiesSetup(const DutiesSetup&) = delete;
  DutiesSetup& operator=(const DutiesSetup&) = delete;

  void start() {
    const Environment environment = [this](const char* name) -> std::optional<std::string> {
      const auto found = variables.find(name);
      return found == variables.end() ? std::nullopt : std::optional(found->second);
    };
    duties =
        Duties::create(io, plain_config(api.server.url()), options, classes, store, environment)
            .value();
    duties->start();
  }
  bool until(const std::function<bool()>& condition) { return run_until(io, condition); }
  void add(const std::string& name) {
    api.put(
        kIngresses, {{"apiVersion", "networking.k8s.io/v1"},
                     {"kind", "Ingress"},
                     {"metadata", {{"name", name}, {"namespace", "shop"}, {"uid", "uid-" + name}}},
                     {"spec", {{"ingressClassName", "cppx"}}}}
    );
    auto decoded = decode(api.object(kIngresses, "shop", name), "Ingress").value();
    duties->seen(decoded.front());
    store.apply(std::move(decoded.front()));
    duties->changed(Kind::kIngress, {"shop", name});
  }
  bool has_status(const std::string& name, const Addresses& wanted) {
    return until([&] { return present_addresses(api.object(kIngresses, "shop", name)) == wanted; });
  }
  bool leads_soon() {
    return until([this] { return duties->state().leading; });
  }
  bool leave(Departure departure) {
    bool left = false;
    duties->leave(departure, [&left] { left = true; });
    return until([&left] { return left; });
  }

  boost::asio::io_context io{1};
  FakeKubeApi api{io};
  Store store;
  ClassOptions classes;
  DutyOptions options;
  std::map<std::string, std::string> variables{{"POD_NAME", "cppx-1"}, {"POD_NAMESPACE", "ops"}};
  std::unique_ptr<Duties> duties;
};

Addresses ips(std::initializer_list<const char*> list) {
  Addresses made;
  for (const char* ip : list) made.push_back({.ip = ip, .hostname = {}});
  return made;
}

}  // namespace

TEST_CASE("Duties: the status has the addresses of the nodes that run our pods", "[controller]") {
  DutiesSetup test;
  test.api.put(kPods, pod("cppx-2", "node-2"));
  test.api.put(kPods, pod("cppx-3", "node-3", false));
  test.start();
  test.add("web");
  CHECK(test.has_status("web", ips({"10.0.0.2", "192.0.2.1"})));
  CHECK(test.api.object(kLeases, "ops", "cppx-leader")["spec"]["holderIdentity"] == "cppx-1");
  CHECK(test.api.count("GET", "labelSelector=app%3Dcppx") >= 1);
  CHECK(test.until([&] { return test.duties->state().statuses_written == 1; }));
}

TEST_CASE("Duties: the internal address of nodes if that is asked for", "[controller]") {
  DutiesSetup test;
  test.options.report_node_internal_ip_address = true;
  test.start();
  test.add("web");
  CHECK(test.has_status("web", ips({"10.0.0.1"})));
}

TEST_CASE("Duties: the status follows the Service of --publish-service", "[controller]") {
  DutiesSetup test;
  test.options.publish_service = ObjectKey{"ops", "front"};
  test.start();
  test.add("web");
  REQUIRE(test.leads_soon());
  test.api.put(kServices, load_balancer("192.0.2.7"));
  REQUIRE(test.has_status("web", ips({"192.0.2.7"})));
  test.api.put(kServices, load_balancer("192.0.2.8"));
  REQUIRE(test.has_status("web", ips({"192.0.2.8"})));
  // A Service that is gone says nothing: what was true last stays.
  test.api.remove(kServices, "ops", "front");
  test.add("late");
  CHECK(test.has_status("late", ips({"192.0.2.8"})));
}

TEST_CASE(
    "Duties: the addresses of --publish-status-address are taken as they are", "[controller]"
) {
  DutiesSetup test;
  test.options.publish_status_address = {"edge.test", "192.0.2.3", "2001:db8::1"};
  test.start();
  test.add("web");
  Addresses wanted = ips({"192.0.2.3", "2001:db8::1"});
  wanted.insert(wanted.begin(), {.ip = {}, .hostname = "edge.test"});
  CHECK(test.has_status("web", wanted));
}

TEST_CASE("Duties: at the end the status goes, unless others run", "[controller]") {
  DutiesSetup test;
  test.start();
  test.add("web");
  REQUIRE(test.has_status("web", ips({"192.0.2.1"})));

  SECTION("nobody else does") {
    json ending = pod("cppx-2", "node-2");
    ending["metadata"]["deletionTimestamp"] = "2026-11-26T10:00:00Z";
    test.api.put(kPods, ending);
    REQUIRE(test.leave(Departure::kEnds));
    CHECK(test.has_status("web", {}));
  }
  SECTION("another replica does") {
    test.api.put(kPods, pod("cppx-2", "node-2"));
    REQUIRE(test.leave(Departure::kEnds));
    CHECK(test.has_status("web", ips({"192.0.2.1"})));
  }
  SECTION("a successor does, at the same place") {
    REQUIRE(test.leave(Departure::kHandedOver));
    CHECK(test.has_status("web", ips({"192.0.2.1"})));
  }
  SECTION("it is not known whether others do") {
    test.api.overrides["labelSelector"] = FakeReply{500, {}, "{}"};
    REQUIRE(test.leave(Departure::kEnds));
    CHECK(test.has_status("web", ips({"192.0.2.1"})));
  }
  CHECK(test.api.object(kLeases, "ops", "cppx-leader")["spec"]["holderIdentity"] == "");
  CHECK_FALSE(test.duties->state().leading);
  // Nothing is written afterwards.
  const auto writes = test.api.count("PUT", "/status");
  test.add("late");
  bool again = false;
  test.duties->leave(Departure::kEnds, [&again] { again = true; });
  CHECK(again);
  CHECK(test.api.count("PUT", "/status") == writes);
}

TEST_CASE("Duties: --update-status-on-shutdown=false leaves the status", "[controller]") {
  DutiesSetup test;
  test.options.update_status_on_shutdown = false;
  test.start();
  test.add("web");
  REQUIRE(test.has_status("web", ips({"192.0.2.1"})));
  REQUIRE(test.leave(Departure::kEnds));
  CHECK(test.has_status("web", ips({"192.0.2.1"})));
}

TEST_CASE("Duties: an API server that hangs does not keep us from ending", "[controller]") {
  DutiesSetup test;
  test.start();
  REQUIRE(test.leads_soon());
  test.api.overrides["/"] = FakeReply{200, {}, {}, FakeReply::End::kSilent};
  CHECK(test.leave(Departure::kEnds));
}

TEST_CASE(
    "Duties: --update-status=false and --disable-leader-election write no status", "[controller]"
) {
  DutiesSetup test;
  SECTION("status off") { test.options.update_status = false; }
  SECTION("no election") { test.options.disable_leader_election = true; }
  test.start();
  if (!test.options.disable_leader_election) REQUIRE(test.leads_soon());
  test.add("web");
  // The Event of the same Ingress goes out.
  REQUIRE(test.until([&] { return test.duties->state().events_sent == 1; }));
  REQUIRE(test.leave(Departure::kEnds));
  CHECK(test.api.count("PUT", "/status") == 0);
  CHECK(test.api.count("GET", "/pods") == 0);
  CHECK(test.duties->state().elects == !test.options.disable_leader_election);
  CHECK((test.api.count("POST", "/leases") == 0) == test.options.disable_leader_election);
}

TEST_CASE("Duties: Events for changed Ingresses and for new diagnostics", "[controller]") {
  DutiesSetup test;
  test.start();
  const Diagnostic problem{
      .kind = Kind::kIngress,
      .object = {"shop", "web"},
      .field = "spec.tls[0]",
      .reason = "SecretNotFound",
      .message = "there is none"
  };
  // Not leading yet: told once we do.
  test.duties->diagnosed({problem});
  REQUIRE(test.leads_soon());
  REQUIRE(test.until([&] { return test.duties->state().events_sent == 1; }));
  test.add("web");
  test.duties->diagnosed({problem});
  REQUIRE(test.until([&] { return test.duties->state().events_sent == 2; }));
  Diagnostic other = problem;
  other.kind = Kind::kService;
  other.reason = "NoEndpoints";
  test.duties->diagnosed({problem, other});
  REQUIRE(test.until([&] { return test.duties->state().events_sent == 3; }));
  std::map<std::string, json> events;
  for (const FakeRequest& request : test.api.server.requests) {
    if (request.method != "POST" || request.target != "/api/v1/namespaces/shop/events") continue;
    const json event = json::parse(request.body);
    events[event["reason"].get<std::string>()] = event;
  }
  REQUIRE(events.size() == 3);
  CHECK(events["Sync"]["message"] == "Scheduled for sync");
  CHECK(events["Sync"]["type"] == "Normal");
  CHECK(events["Sync"]["involvedObject"]["uid"] == "uid-web");
  CHECK(events["SecretNotFound"]["message"] == "spec.tls[0]: there is none");
  CHECK(events["SecretNotFound"]["type"] == "Warning");
  CHECK(events["NoEndpoints"]["involvedObject"]["kind"] == "Service");
}

TEST_CASE("Duties: without a pod the Lease is in the namespace of the kubeconfig", "[controller]") {
  DutiesSetup test;
  test.variables.clear();
  test.options.election_id = "other";
  test.start();
  REQUIRE(test.leads_soon());
  CHECK_FALSE(test.api.object(kLeases, "default", "other").is_null());
}

}  // namespace cppx::controller::test
