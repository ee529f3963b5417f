#include "controller/election/leader_elector.h"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <nlohmann/json.hpp>

#include "tests/unit/controller/fake_kube_api.h"
#include "tests/unit/controller/kube_support.h"

namespace cppx::controller::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr const char* kPath = "/apis/coordination.k8s.io/v1/namespaces/ops/leases";

/// One API server and a clock that all candidates share.
struct Place {
  bool until(const std::function<bool()>& condition) { return run_until(io, condition); }
  [[nodiscard]] json spec() const {
    const json lease = api.object(kLeases, "ops", "leader");
    return lease.is_null() ? json::object() : lease["spec"];
  }
  [[nodiscard]] std::string holder() const { return spec().value("holderIdentity", ""); }
  void put_lease(const std::string& holder, int seconds, const std::string& renewed) {
    api.put(
        kLeases,
        {{"metadata", {{"name", "leader"}, {"namespace", "ops"}, {"labels", {{"kept", "yes"}}}}},
         {"spec",
          {{"holderIdentity", holder},
           {"leaseDurationSeconds", seconds},
           {"acquireTime", "2020-01-01T00:00:00.000000Z"},
           {"renewTime", renewed},
           {"leaseTransitions", 4}}}}
    );
  }

  boost::asio::io_context io{1};
  FakeKubeApi api{io};
  BootClock::duration skipped{0};  ///< How far the candidates' clocks were put forward.
};

/// A replica that wants to lead.
struct Candidate {
  Candidate(Place& at, const std::string& identity, std::chrono::milliseconds ttl)
      : place(at),
        client(ApiClient::create(at.io, plain_config(at.api.server.url())).value()),
        elector(*client, options(identity, ttl), [this](bool leading) { told.push_back(leading); }),
        tasks(at.io.get_executor()) {
    tasks.spawn(elector.run());
  }
  ~Candidate() {
    tasks.cancel();
    CHECK(place.until([this] { return tasks.empty(); }));
  }
  Candidate(const Candidate&) = delete;
  Candidate& operator=(const Candidate&) = delete;

  ElectionOptions options(const std::string& identity, std::chrono::milliseconds ttl) const {
    ElectionOptions made;
    made.lease = {"ops", "leader"};
    made.identity = identity;
    made.ttl = ttl;
    made.now = [this] { return frozen ? *frozen : BootClock::now() + place.skipped + skipped; };
    made.seed = 7;
    return made;
  }
  /// For who is to stay the leader however late its renewals are: a test may be held up.
  void stop_clock() { frozen = BootClock::now(); }
  bool leads_soon() {
    return place.until([this] { return elector.is_leader(); });
  }

  Place& place;
  BootClock::duration skipped{0};
  std::optional<BootClock::time_point> frozen;  ///< What its clock says instead.
  std::vector<bool> told;
  std::unique_ptr<ApiClient> client;
  LeaderElector elector;
  TaskGroup tasks;
};

}  // namespace

TEST_CASE("LeaderElector: makes the Lease that is missing, and renews it", "[controller]") {
  Place place;
  Candidate one(place, "one", 2s);
  one.stop_clock();
  CHECK_FALSE(one.elector.is_leader());
  REQUIRE(one.leads_soon());
  const json made = place.spec();
  CHECK(made["holderIdentity"] == "one");
  CHECK(made["leaseDurationSeconds"] == 2);
  CHECK(made["leaseTransitions"] == 0);
  CHECK(made["acquireTime"] == made["renewTime"]);
  // "2026-11-26T10:00:00.000001Z"
  CHECK(made["renewTime"].get<std::string>().size() == 27);
  REQUIRE(place.until([&] { return place.spec()["renewTime"] != made["renewTime"]; }));
  CHECK(place.spec()["acquireTime"] == made["acquireTime"]);
  CHECK(place.spec()["leaseTransitions"] == 0);
  CHECK(one.elector.is_leader());
  CHECK(one.told == std::vector<bool>{true});
  // Renewing takes one request: what is written is known.
  CHECK(place.api.count("GET", kPath) == 1);
}

TEST_CASE("LeaderElector: of two that come at once one leads", "[controller]") {
  Place place;
  Candidate one(place, "one", 2s);
  Candidate two(place, "two", 2s);
  one.stop_clock();
  two.stop_clock();
  REQUIRE(place.until([&] { return one.elector.is_leader() || two.elector.is_leader(); }));
  const auto renewed = place.spec()["renewTime"];
  REQUIRE(place.until([&] {
    CHECK_FALSE((one.elector.is_leader() && two.elector.is_leader()));
    return place.spec()["renewTime"] != renewed;
  }));
  CHECK(place.holder() == (one.elector.is_leader() ? "one" : "two"));
}

TEST_CASE(
    "LeaderElector: a Lease in use is left alone, however old its times are", "[controller]"
) {
  Place place;
  place.put_lease("other", 3600, "2020-01-01T00:00:00.000000Z");
  Candidate one(place, "one", 100ms);
  REQUIRE(place.until([&] { return place.api.count("GET", kPath) >= 4; }));
  CHECK_FALSE(one.elector.is_leader());
  CHECK(place.holder() == "other");
  CHECK(place.api.count("PUT", kPath) == 0);

  SECTION("until it was seen unchanged for as long as it says") {
    place.skipped = 3601s;
    REQUIRE(one.leads_soon());
    CHECK(place.holder() == "one");
    CHECK(place.spec()["leaseTransitions"] == 5);
    CHECK(place.spec()["acquireTime"] != "2020-01-01T00:00:00.000000Z");
    // What others keep in the object stays.
    CHECK(place.api.object(kLeases, "ops", "leader")["metadata"]["labels"]["kept"] == "yes");
  }
  SECTION("and each renewal that is seen begins the time anew") {
    place.skipped = 3000s;
    place.put_lease("other", 3600, "2020-01-01T00:00:01.000000Z");
    const auto looked = place.api.count("GET", kPath);
    REQUIRE(place.until([&] { return place.api.count("GET", kPath) >= looked + 2; }));
    place.skipped = 6000s;
    const auto again = place.api.count("GET", kPath);
    REQUIRE(place.until([&] { return place.api.count("GET", kPath) >= again + 2; }));
    CHECK_FALSE(one.elector.is_leader());
    CHECK(place.api.count("PUT", kPath) == 0);
  }
}

TEST_CASE("LeaderElector: a Lease that was given up is taken at once", "[controller]") {
  Place place;
  place.put_lease("", 3600, "2020-01-01T00:00:00.000000Z");
  Candidate one(place, "one", 2s);
  REQUIRE(one.leads_soon());
  CHECK(place.spec()["leaseTransitions"] == 5);
}

TEST_CASE("LeaderElector: who takes it at the same time and is slower has lost", "[controller]") {
  Place place;
  place.put_lease("", 1, "2020-01-01T00:00:00.000000Z");
  place.api.before_write = [&](const FakeRequest& request) {
    if (request.method != "PUT") return;
    place.api.before_write = nullptr;
    place.put_lease("faster", 3600, "2020-01-01T00:00:02.000000Z");
  };
  Candidate one(place, "one", 100ms);
  REQUIRE(place.until([&] { return place.api.count("GET", kPath) >= 3; }));
  CHECK_FALSE(one.elector.is_leader());
  CHECK(place.holder() == "faster");
  CHECK(one.told.empty());
}

TEST_CASE(
    "LeaderElector: a foreign change of the Lease costs no leader its place", "[controller]"
) {
  Place place;
  Candidate one(place, "one", 2s);
  one.stop_clock();
  REQUIRE(one.leads_soon());
  json lease = place.api.object(kLeases, "ops", "leader");
  lease["metadata"]["annotations"]["note"] = "by hand";
  const auto renewed = lease["spec"]["renewTime"];
  place.api.put(kLeases, lease);
  REQUIRE(place.until([&] { return place.spec()["renewTime"] != renewed; }));
  CHECK(place.api.object(kLeases, "ops", "leader")["metadata"]["annotations"]["note"] == "by hand");
  CHECK(one.elector.is_leader());
  CHECK(one.told == std::vector<bool>{true});
}

TEST_CASE(
    "LeaderElector: without renewals it stops before another may begin, and leads again later",
    "[controller]"
) {
  Place place;
  Candidate one(place, "one", 4s);
  REQUIRE(one.leads_soon());
  const FakeReply silent{200, {}, {}, FakeReply::End::kSilent};
  const FakeReply broken{503, {}, FakeKubeApi::status(503, "away").dump()};
  place.api.overrides["/leases"] = GENERATE_COPY(silent, broken);
  const auto cut_off = BootClock::now();
  REQUIRE(place.until([&] { return !one.elector.is_leader(); }));
  // The Lease says four seconds.
  CHECK(BootClock::now() - cut_off < 4s);
  REQUIRE(place.until([&] { return one.told.size() == 2; }));
  CHECK_FALSE(one.told.back());
  place.api.overrides.clear();
  place.api.server.break_connections();
  REQUIRE(one.leads_soon());
  CHECK(place.spec()["leaseTransitions"] == 0);
}

TEST_CASE("LeaderElector: a process that was stopped knows when it goes on", "[controller]") {
  Place place;
  Candidate one(place, "one", 2s);
  REQUIRE(one.leads_soon());
  // Its clock has gone on, and none of its code has run yet.
  one.skipped = 500s;
  CHECK_FALSE(one.elector.is_leader());

  SECTION("another leads meanwhile") {
    place.put_lease("two", 3600, "2020-01-01T00:00:09.000000Z");
    const auto written = place.api.count("PUT", kPath);
    const auto looked = place.api.count("GET", kPath);
    REQUIRE(place.until([&] { return place.api.count("GET", kPath) >= looked + 2; }));
    CHECK_FALSE(one.elector.is_leader());
    // Not even a renewal was tried.
    CHECK(place.api.count("PUT", kPath) == written);
    CHECK(place.holder() == "two");
    CHECK(one.told == std::vector<bool>{true, false});
  }
  SECTION("nobody does") {
    REQUIRE(one.leads_soon());
    CHECK(place.holder() == "one");
  }
}

TEST_CASE("LeaderElector: one whose Lease was taken away stops before its time", "[controller]") {
  Place place;
  Candidate one(place, "one", 2s);
  REQUIRE(one.leads_soon());
  // By its clock it may lead for ever.
  one.stop_clock();
  REQUIRE(one.elector.is_leader());
  SECTION("given to another") { place.put_lease("two", 3600, "2020-01-01T00:00:09.000000Z"); }
  SECTION("deleted, and made anew by another") {
    place.api.before_write = [&](const FakeRequest& request) {
      if (request.method != "POST") return;
      place.api.before_write = nullptr;
      place.put_lease("two", 3600, "2020-01-01T00:00:09.000000Z");
    };
    place.api.remove(kLeases, "ops", "leader");
  }
  REQUIRE(place.until([&] { return !one.elector.is_leader(); }));
  CHECK(place.holder() == "two");
}

TEST_CASE("LeaderElector: one that dies is followed by another", "[controller]") {
  Place place;
  auto one = std::make_unique<Candidate>(place, "one", 2s);
  REQUIRE(one->leads_soon());
  Candidate two(place, "two", 2s);
  const auto looked = place.api.count("GET", kPath);
  REQUIRE(place.until([&] { return place.api.count("GET", kPath) > looked; }));
  const auto last = place.spec()["renewTime"];
  one.reset();
  CHECK(place.holder() == "one");
  REQUIRE(two.leads_soon());
  CHECK(place.holder() == "two");
  CHECK(place.spec()["leaseTransitions"] == 1);
  CHECK(place.spec()["acquireTime"] > last);
}

TEST_CASE("LeaderElector: release lets another one lead at once", "[controller]") {
  Place place;
  Candidate one(place, "one", 3'600'000ms);
  REQUIRE(one.leads_soon());
  one.tasks.spawn(one.elector.release());
  REQUIRE(place.until([&] { return place.holder().empty(); }));
  CHECK(place.spec()["leaseDurationSeconds"] == 1);
  CHECK_FALSE(one.elector.is_leader());
  CHECK(one.told == std::vector<bool>{true, false});
  Candidate two(place, "two", 2s);
  REQUIRE(two.leads_soon());
  CHECK(place.spec()["leaseTransitions"] == 1);
  REQUIRE(place.until([&] { return one.tasks.empty(); }));
}

TEST_CASE("LeaderElector: what is not ours is not released", "[controller]") {
  Place place;
  place.put_lease("other", 3600, "2020-01-01T00:00:00.000000Z");
  Candidate one(place, "one", 100ms);
  REQUIRE(place.until([&] { return place.api.count("GET", kPath) >= 2; }));
  one.tasks.spawn(one.elector.release());
  REQUIRE(place.until([&] { return one.tasks.empty(); }));
  CHECK(place.holder() == "other");
  CHECK(place.api.count("PUT", kPath) == 0);
}

TEST_CASE("LeaderElector: another process of the same name is another candidate", "[controller]") {
  Place place;
  Candidate one(place, "pod", 2s);
  one.stop_clock();
  REQUIRE(one.leads_soon());
  Candidate two(place, "pod", 2s);
  two.stop_clock();
  const auto renewed = place.spec()["renewTime"];
  REQUIRE(place.until([&] { return place.spec()["renewTime"] != renewed; }));
  CHECK(one.elector.is_leader());
  CHECK_FALSE(two.elector.is_leader());
  one.tasks.spawn(one.elector.release());
  REQUIRE(two.leads_soon());
  CHECK_FALSE(one.elector.is_leader());
}

TEST_CASE("LeaderElector: a refusal is lived with", "[controller]") {
  Place place;
  place.api.overrides["/leases"] = FakeReply{403, {}, FakeKubeApi::status(403, "no").dump()};
  Candidate one(place, "one", 100ms);
  REQUIRE(place.until([&] { return place.api.server.requests.size() >= 3; }));
  CHECK_FALSE(one.elector.is_leader());
  place.api.overrides.clear();
  CHECK(one.leads_soon());
}

TEST_CASE("micro_time: six digits and Z", "[controller]") {
  const auto time = std::chrono::sys_days(std::chrono::year(2026) / 11 / 26) + 10h + 1us;
  CHECK(micro_time(time) == "2026-11-26T10:00:00.000001Z");
}

}  // namespace cppx::controller::test
