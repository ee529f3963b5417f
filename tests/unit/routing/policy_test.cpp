#include "routing/policy.h"

#include <memory>
#include <set>
#include <string_view>

#include <catch2/catch_test_macros.hpp>

namespace cppx::routing {
namespace {

template <Feature kWhich>
struct Numbered final : Policy {
  static constexpr Feature kFeature = kWhich;
  explicit Numbered(int n) : number(n) {}
  int number;
};
using First = Numbered<Feature::kHttpsRedirect>;
using Second = Numbered<Feature::kStrictTransportSecurity>;

TEST_CASE("PolicySet: what is set is found, what is not is null", "[routing]") {
  PolicySet set;
  CHECK(set.empty());
  CHECK(set.find<First>() == nullptr);
  CHECK_FALSE(set.has(Feature::kHttpsRedirect));

  set.set(std::make_shared<const Second>(2));
  CHECK_FALSE(set.empty());
  CHECK(set.find<First>() == nullptr);
  REQUIRE(set.find<Second>() != nullptr);
  CHECK(set.find<Second>()->number == 2);

  set.set(std::make_shared<const First>(1));
  REQUIRE(set.find<First>() != nullptr);
  CHECK(set.find<First>()->number == 1);
  CHECK(set.find<Second>()->number == 2);
  CHECK(set.has(Feature::kHttpsRedirect));
  CHECK(set.has(Feature::kStrictTransportSecurity));
}

TEST_CASE("PolicySet: setting again replaces; copies share the policies", "[routing]") {
  PolicySet set;
  set.set(std::make_shared<const First>(1));
  const PolicySet copy = set;
  CHECK(copy.find<First>() == set.find<First>());
  set.set(std::make_shared<const First>(3));
  CHECK(set.find<First>()->number == 3);
  CHECK(copy.find<First>()->number == 1);
}

TEST_CASE("Feature: every one has a name of its own", "[routing]") {
  std::set<std::string_view> names;
  for (unsigned i = 0; i < static_cast<unsigned>(Feature::kCount); ++i)
    names.insert(to_string(static_cast<Feature>(i)));
  CHECK(names.size() == static_cast<std::size_t>(Feature::kCount));
  CHECK_FALSE(names.contains("unknown"));
  CHECK(to_string(Feature::kCount) == "unknown");
}

}  // namespace
}  // namespace cppx::routing
