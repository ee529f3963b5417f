#include "controller/translate/upstream_annotations.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/text.h"
#include "controller/translate/annotation_reader.h"
#include "controller/translate/annotations.h"
#include "controller/translate/text_values.h"
#include "features/load_balancing/policy.h"
#include "features/upstream_retries/policy.h"
#include "routing/balance/hash_pattern.h"

namespace cppx::controller {
namespace {

using Duration = std::optional<std::chrono::milliseconds>;

constexpr std::string_view kNoTime = "is not a time";
constexpr std::string_view kNoNumber = "is not a number";

template <Duration UpstreamAnnotations::* kMember>
std::string_view duration(IngressAnnotations& out, std::string_view text) {
  return assign_or(out.upstream.*kMember, parse_duration(text), kNoTime);
}

// Zero would end every request at once.
template <Duration UpstreamAnnotations::* kMember>
std::string_view positive_duration(IngressAnnotations& out, std::string_view text) {
  const auto value = parse_duration(text);
  return assign_or(
      out.upstream.*kMember, value && value->count() > 0 ? value : std::nullopt,
      "is not a time of more than zero"
  );
}

template <std::optional<std::uint32_t> UpstreamAnnotations::* kMember>
std::string_view number(IngressAnnotations& out, std::string_view text) {
  return assign_or(out.upstream.*kMember, parse_int<std::uint32_t>(text), kNoNumber);
}

std::string_view next_upstream(IngressAnnotations& out, std::string_view text) {
  return assign_or(
      out.upstream.next_upstream, features::parse_retry_conditions(text),
      "has a word that is not among those of proxy-next-upstream"
  );
}

std::string_view load_balance(IngressAnnotations& out, std::string_view text) {
  return assign_or(
      out.upstream.load_balance, features::parse_balance_algorithm(text),
      "is none of round_robin, ewma, least_request"
  );
}

std::string_view hash_by(IngressAnnotations& out, std::string_view text) {
  return assign_or(
      out.upstream.hash_by, routing::HashPattern::parse(text),
      "has a variable that is not known, or too many"
  );
}

std::string_view hash_by_subset(IngressAnnotations& out, std::string_view text) {
  return assign_or(out.upstream.hash_by_subset, parse_go_bool(text), "is neither true nor false");
}

std::string_view hash_by_subset_size(IngressAnnotations& out, std::string_view text) {
  const auto size = parse_int<std::uint32_t>(text);
  return assign_or(
      out.upstream.hash_by_subset_size, size && *size >= 1 && *size <= 64 ? size : std::nullopt,
      "is not a number from 1 to 64"
  );
}

constexpr std::array kUpstreamReaders{
    AnnotationReader{"proxy-connect-timeout", positive_duration<&UpstreamAnnotations::connect_timeout>},
    AnnotationReader{"proxy-send-timeout", positive_duration<&UpstreamAnnotations::send_timeout>},
    AnnotationReader{"proxy-read-timeout", positive_duration<&UpstreamAnnotations::read_timeout>},
    AnnotationReader{"proxy-next-upstream", next_upstream},
    AnnotationReader{"proxy-next-upstream-tries", number<&UpstreamAnnotations::next_upstream_tries>},
    AnnotationReader{"proxy-next-upstream-timeout", duration<&UpstreamAnnotations::next_upstream_timeout>},
    AnnotationReader{"load-balance", load_balance},
    AnnotationReader{"upstream-hash-by", hash_by},
    AnnotationReader{"upstream-hash-by-subset", hash_by_subset},
    AnnotationReader{"upstream-hash-by-subset-size", hash_by_subset_size},
};

}  // namespace

std::span<const AnnotationReader> upstream_annotation_readers() noexcept {
  return kUpstreamReaders;
}

}  // namespace cppx::controller
