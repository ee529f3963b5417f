#include <string_view>

#include <catch2/catch_test_macros.hpp>

#include "features/load_balancing/policy.h"
#include "features/upstream_retries/policy.h"
#include "features/upstream_timeouts/policy.h"

namespace cppx::features {

TEST_CASE("parse_retry_conditions: words, in any order", "[features]") {
  struct Row {
    std::string_view text;
    std::string_view read_as;  // empty: refused
  };
  const Row rows[] = {
      {"error", "error"},
      {"timeout error", "error timeout"},
      {"  error   timeout ", "error timeout"},
      {"error error", "error"},
      {"invalid_header http_500 http_502 http_503 http_504 http_403 http_404 http_429",
       "invalid_header http_403 http_404 http_429 http_500 http_502 http_503 http_504"},
      {"error non_idempotent", "error non_idempotent"},
      {"off", "off"},
      {"error off timeout", "off"},
      {"non_idempotent", "off"},
      {"", ""},
      {" ", ""},
      {"errors", ""},
      {"error,timeout", ""},
      {"http_501", ""},
      {"ERROR", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const auto read = parse_retry_conditions(row.text);
    CHECK((read ? to_string(*read) : "") == row.read_as);
  }
}

TEST_CASE("parse_balance_algorithm: names", "[features]") {
  using routing::BalanceAlgorithm;
  CHECK(parse_balance_algorithm("round_robin") == BalanceAlgorithm::kRoundRobin);
  CHECK(parse_balance_algorithm("ewma") == BalanceAlgorithm::kEwma);
  CHECK(parse_balance_algorithm("least_request") == BalanceAlgorithm::kLeastRequest);
  for (const std::string_view text : {"", "ip_hash", "EWMA", "unknown"})
    CHECK_FALSE(parse_balance_algorithm(text).has_value());
}

TEST_CASE("Policies about upstreams say what they are", "[features]") {
  CHECK(UpstreamRetriesPolicy({}).describe() == "error timeout tries=3 total=0ms");
  const routing::BalancePolicy balance{
      .algorithm = routing::BalanceAlgorithm::kEwma,
      .hash = *routing::HashPattern::parse("$host"),
      .subset_size = 3
  };
  CHECK(LoadBalancingPolicy(balance).describe() == "ewma hash=$host subset=3");
  CHECK(UpstreamTimeoutsPolicy({}).describe() == "connect=5000ms send=60000ms read=60000ms");
}

}  // namespace cppx::features
