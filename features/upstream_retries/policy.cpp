#include "features/upstream_retries/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/text.h"
#include "routing/upstream/retry_policy.h"

namespace cppx::features {
namespace {

using routing::RetryConditions;
using routing::RetryOn;
using namespace std::string_view_literals;

// By RetryOn.
constexpr std::array kWords{"error"sv,    "timeout"sv,  "invalid_header"sv, "http_403"sv,
                            "http_404"sv, "http_429"sv, "http_500"sv,       "http_502"sv,
                            "http_503"sv, "http_504"sv};
static_assert(kWords.size() == static_cast<std::size_t>(RetryOn::kCount));

}  // namespace

std::string UpstreamRetriesPolicy::describe() const {
  return fmt::format(
      "{} tries={} total={}ms", to_string(value.conditions), value.tries, value.total.count()
  );
}

std::optional<RetryConditions> parse_retry_conditions(std::string_view text) {
  RetryConditions out;
  bool off = false;
  const auto words = split_list(text, ' ');
  for (const std::string_view word : words) {
    if (word == "off") {
      off = true;
    } else if (word == "non_idempotent") {
      out.non_idempotent = true;
    } else if (const auto at = std::ranges::find(kWords, word); at != kWords.end()) {
      out.add(static_cast<RetryOn>(at - kWords.begin()));
    } else {
      return std::nullopt;
    }
  }
  if (words.empty()) return std::nullopt;
  return off ? RetryConditions() : out;
}

std::string to_string(const RetryConditions& conditions) {
  std::string out;
  const auto append = [&out](std::string_view word) {
    if (!out.empty()) out.push_back(' ');
    out.append(word);
  };
  for (std::size_t i = 0; i < kWords.size(); ++i)
    if (conditions.has(static_cast<RetryOn>(i))) append(kWords[i]);
  if (out.empty()) return "off";
  if (conditions.non_idempotent) append("non_idempotent");
  return out;
}

}  // namespace cppx::features
