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
#include "features/upstream_retries/policy.h"
#include "routing/upstream/retry_policy.h"

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

constexpr std::array kReaders{
    AnnotationReader{"proxy-connect-timeout", positive_duration<&UpstreamAnnotations::connect_timeout>},
    AnnotationReader{"proxy-send-timeout", positive_duration<&UpstreamAnnotations::send_timeout>},
    AnnotationReader{"proxy-read-timeout", positive_duration<&UpstreamAnnotations::read_timeout>},
    AnnotationReader{"proxy-next-upstream", next_upstream},
    AnnotationReader{"proxy-next-upstream-tries", number<&UpstreamAnnotations::next_upstream_tries>},
    AnnotationReader{"proxy-next-upstream-timeout", duration<&UpstreamAnnotations::next_upstream_timeout>},
};

}  // namespace

std::span<const AnnotationReader> upstream_annotation_readers() noexcept { return kReaders; }

}  // namespace cppx::controller
