#include "proxy/upstream/retry.h"

#include <string_view>

#include <catch2/catch_test_macros.hpp>

#include "features/upstream_retries/policy.h"

namespace cppx::proxy {
namespace {

routing::RetryPolicy policy_of(std::string_view words) {
  routing::RetryPolicy policy;
  policy.conditions = features::parse_retry_conditions(words).value();
  return policy;
}

constexpr EndedTry kGet{.idempotent = true, .replayable = true};
constexpr EndedTry kPost{.idempotent = false, .replayable = true};
/// An idempotent request whose body was streamed and is gone.
constexpr EndedTry kStreamed{.idempotent = true, .replayable = false, .body_begun = true};

EndedTry ended(TryEnd end, EndedTry of, std::uint16_t status = 0) {
  of.end = end;
  of.status = status;
  return of;
}

}  // namespace

TEST_CASE("may_retry: what the words of proxy-next-upstream stand for", "[proxy]") {
  struct Row {
    std::string_view words;
    TryEnd end;
    std::uint16_t status;
    bool get;
    bool post;
    bool streamed;
  };
  const Row rows[] = {
      {"error timeout", TryEnd::kNotConnected, 0, true, true, false},
      {"error timeout", TryEnd::kConnectTimeout, 0, true, true, false},
      {"error timeout", TryEnd::kNoResponse, 0, true, false, false},
      {"error timeout", TryEnd::kTimeout, 0, true, false, false},
      {"error timeout", TryEnd::kBadResponse, 0, false, false, false},
      {"error timeout", TryEnd::kOther, 0, false, false, false},
      {"error timeout", TryEnd::kResponse, 502, false, false, false},
      {"error", TryEnd::kConnectTimeout, 0, false, false, false},
      {"error", TryEnd::kTimeout, 0, false, false, false},
      {"timeout", TryEnd::kNotConnected, 0, false, false, false},
      {"timeout", TryEnd::kNoResponse, 0, false, false, false},
      {"invalid_header", TryEnd::kBadResponse, 0, true, false, false},
      {"http_500", TryEnd::kResponse, 500, true, false, false},
      {"http_500", TryEnd::kResponse, 501, false, false, false},
      {"http_502", TryEnd::kResponse, 502, true, false, false},
      {"http_503", TryEnd::kResponse, 503, true, false, false},
      {"http_504", TryEnd::kResponse, 504, true, false, false},
      {"http_403", TryEnd::kResponse, 403, true, false, false},
      {"http_404", TryEnd::kResponse, 404, true, false, false},
      {"http_429", TryEnd::kResponse, 429, true, false, false},
      {"http_429", TryEnd::kResponse, 200, false, false, false},
      {"error non_idempotent", TryEnd::kNoResponse, 0, true, true, false},
      {"timeout non_idempotent", TryEnd::kTimeout, 0, true, true, false},
      {"http_502 non_idempotent", TryEnd::kResponse, 502, true, true, false},
      {"non_idempotent", TryEnd::kNoResponse, 0, false, false, false},
      {"off", TryEnd::kNotConnected, 0, false, false, false},
      {"error off", TryEnd::kNotConnected, 0, false, false, false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.words, static_cast<int>(row.end), row.status);
    const auto policy = policy_of(row.words);
    CHECK(may_retry(policy, ended(row.end, kGet, row.status)) == row.get);
    CHECK(may_retry(policy, ended(row.end, kPost, row.status)) == row.post);
    CHECK(may_retry(policy, ended(row.end, kStreamed, row.status)) == row.streamed);
  }
}

TEST_CASE("may_retry: a POST that cannot have been read is sent again", "[proxy]") {
  EndedTry post = ended(TryEnd::kNoResponse, kPost);
  post.untouched = true;
  CHECK(may_retry(policy_of("error"), post));
  CHECK_FALSE(may_retry(policy_of("timeout"), post));
  post.replayable = false;
  CHECK_FALSE(may_retry(policy_of("error"), post));
}

TEST_CASE("may_retry: a body of which nothing has been taken yet does not hinder", "[proxy]") {
  const EndedTry large{.end = TryEnd::kNotConnected, .idempotent = false, .replayable = false};
  CHECK(may_retry(policy_of("error"), large));
}

TEST_CASE("may_retry_on_new_connection: an idle connection that was closed", "[proxy]") {
  const auto usual = routing::RetryPolicy();
  EndedTry post = ended(TryEnd::kNoResponse, kPost);
  CHECK(may_retry_on_new_connection(usual, ended(TryEnd::kNoResponse, kGet)));
  CHECK_FALSE(may_retry_on_new_connection(usual, post));
  CHECK_FALSE(may_retry_on_new_connection(usual, ended(TryEnd::kNoResponse, kStreamed)));
  CHECK_FALSE(may_retry_on_new_connection(usual, ended(TryEnd::kTimeout, kGet)));
  CHECK_FALSE(may_retry_on_new_connection(usual, ended(TryEnd::kResponse, kGet, 502)));
  CHECK(may_retry_on_new_connection(policy_of("error non_idempotent"), post));
  CHECK_FALSE(may_retry_on_new_connection(policy_of("off"), ended(TryEnd::kNoResponse, kGet)));
  // Nothing of it could be written.
  for (const EndedTry& of : {kGet, kPost}) {
    CHECK(may_retry_on_new_connection(usual, ended(TryEnd::kNotConnected, of)));
    CHECK(may_retry_on_new_connection(policy_of("off"), ended(TryEnd::kNotConnected, of)));
  }
  CHECK_FALSE(may_retry_on_new_connection(usual, ended(TryEnd::kNotConnected, kStreamed)));
  CHECK_FALSE(may_retry_on_new_connection(usual, ended(TryEnd::kConnectTimeout, kGet)));
  post.untouched = true;
  CHECK(may_retry_on_new_connection(usual, post));
  CHECK(may_retry_on_new_connection(policy_of("off"), post));
}

TEST_CASE("most_tries: never without bound", "[proxy]") {
  routing::RetryPolicy policy;
  CHECK(most_tries(policy, 1) == 3);
  policy.tries = 1;
  CHECK(most_tries(policy, 100) == 1);
  policy.tries = 0;
  CHECK(most_tries(policy, 1) == 3);
  CHECK(most_tries(policy, 7) == 7);
  CHECK(most_tries(policy, 100'000) == 16);
}

}  // namespace cppx::proxy
