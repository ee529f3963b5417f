#include "controller/translate/limit_annotations.h"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "controller/translate/annotation_reader.h"
#include "controller/translate/annotations.h"
#include "routing/client/ip_ranges.h"

namespace cppx::controller {
namespace {

// Sums of them stay within what the counters hold.
constexpr std::uint32_t kMostRequests = 1'000'000;
constexpr std::uint32_t kMostMultiplier = 1000;

std::optional<std::uint32_t> number_up_to(std::string_view text, std::uint32_t most) {
  const auto number = parse_int<std::uint32_t>(text);
  return number && *number <= most ? number : std::nullopt;
}

template <std::optional<std::uint32_t> LimitAnnotations::* kMember>
std::string_view requests(IngressAnnotations& out, std::string_view text) {
  return assign_or(
      out.limits.*kMember, number_up_to(text, kMostRequests), "is not a number up to 1000000"
  );
}

std::string_view multiplier(IngressAnnotations& out, std::string_view text) {
  auto number = number_up_to(text, kMostMultiplier);
  if (number == 0U) number.reset();
  return assign_or(out.limits.burst_multiplier, number, "is not a number from 1 to 1000");
}

// An item that is no range exempts nobody; the limits stay.
template <std::optional<routing::IpRanges> LimitAnnotations::* kMember>
std::string_view ranges(IngressAnnotations& out, std::string_view text) {
  routing::IpRanges found;
  bool good = true;
  for (const auto item : split_list(text)) {
    const auto range = routing::IpRange::parse(item);
    good = good && range.has_value();
    if (range) found.add(*range);
  }
  out.limits.*kMember = std::move(found);
  return good ? std::string_view() : "has items that are not ranges of addresses";
}

constexpr std::string_view kBadRanges = "they exempt nobody";

constexpr std::array kLimitAnnotations{
    AnnotationReader{"limit-allowlist", ranges<&LimitAnnotations::allowlist>, kBadRanges},
    AnnotationReader{"limit-burst-multiplier", multiplier},
    AnnotationReader{"limit-connections", requests<&LimitAnnotations::connections>},
    AnnotationReader{"limit-rpm", requests<&LimitAnnotations::per_minute>},
    AnnotationReader{"limit-rps", requests<&LimitAnnotations::per_second>},
    AnnotationReader{"limit-whitelist", ranges<&LimitAnnotations::whitelist>, kBadRanges},
};

}  // namespace

std::span<const AnnotationReader> limit_annotation_readers() noexcept { return kLimitAnnotations; }

}  // namespace cppx::controller
