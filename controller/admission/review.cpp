#include "controller/admission/review.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "base/text.h"
#include "controller/admission/small_store.h"
#include "controller/cache/store.h"
#include "controller/model/objects.h"
#include "controller/translate/class_selection.h"
#include "controller/translate/diagnostic.h"
#include "controller/translate/resolved_names.h"
#include "controller/translate/translate.h"
#include "tls/certificate.h"

namespace cppx::controller {
namespace {

constexpr std::string_view kUsualPrefix = "nginx.ingress.kubernetes.io";
/// An API server cuts what is longer in all.
constexpr std::size_t kMostWarnings = 10;
/// Of each kind of list in an Ingress: more would make a review too long for the others who wait
/// for the thread. An API server keeps up to 1.5 MiB of an object, and whoever reaches the port may
/// send more.
constexpr std::size_t kMostParts = 10'000;

/// Words that are warnings to the proxy, which then does without, and reasons to refuse here.
constexpr std::array<std::string_view, 2> kRefusedWords = {"InvalidAnnotation", "PathConflict"};

struct Advice {
  std::string_view reason;
  std::string_view what_to_do;
};
constexpr std::array kAdvice{
    Advice{"CatchAllDisabled", "give it rules instead of spec.defaultBackend"},
    Advice{"InvalidAnnotation", "correct the value or take the annotation out"},
    Advice{"InvalidHost", "use a DNS name in lower case, \"*.\" before it at most"},
    Advice{"InvalidPath", "correct the path"},
    Advice{
        "PathConflict", "choose another host or path, or take it out of the other Ingress first"
    },
    Advice{"PathRefused", "use pathType ImplementationSpecific, or other characters"},
};

struct Parts {
  std::string_view field;
  std::string_view name;
  std::size_t count = 0;
};

std::array<Parts, 5> parts_of(const Ingress& ingress) {
  std::size_t paths = 0;
  for (const IngressRule& rule : ingress.rules) paths += rule.paths.size();
  std::size_t tls_hosts = 0;
  for (const IngressTls& entry : ingress.tls) tls_hosts += entry.hosts.size();
  return {{
      {.field = "spec.rules", .name = "rules", .count = ingress.rules.size()},
      {.field = "spec.rules", .name = "paths", .count = paths},
      {.field = "spec.tls", .name = "entries", .count = ingress.tls.size()},
      {.field = "spec.tls", .name = "hosts", .count = tls_hosts},
      {.field = "metadata.annotations",
       .name = "annotations",
       .count = ingress.meta.annotations.size()},
  }};
}

/// What there is too much of, and more than was there already (`stored` may be null).
std::optional<std::string> excess_of(const Ingress& ingress, const Ingress* stored) {
  const auto now = parts_of(ingress);
  const auto before = parts_of(stored == nullptr ? Ingress{} : *stored);
  for (std::size_t i = 0; i < now.size(); ++i) {
    if (now[i].count <= std::max(kMostParts, before[i].count)) continue;
    return fmt::format(
        "Ingress {} {}: TooLarge: has {} {}, {} at most are reviewed (make several Ingresses of "
        "it)",
        ingress.meta.key.to_string(), now[i].field, now[i].count, now[i].name, kMostParts
    );
  }
  return std::nullopt;
}

bool is_refused(const Diagnostic& diagnostic) {
  return diagnostic.severity == Severity::kError ||
         std::ranges::find(kRefusedWords, diagnostic.reason) != kRefusedWords.end();
}

std::string denial_of(const Diagnostic& diagnostic) {
  const auto it = std::ranges::find(kAdvice, diagnostic.reason, &Advice::reason);
  return it == kAdvice.end() ? diagnostic.to_string()
                             : fmt::format("{} ({})", diagnostic.to_string(), it->what_to_do);
}

AdmissionVerdict denied(std::string message) {
  return {.allowed = false, .message = std::move(message), .warnings = {}};
}

/// What no translation looks at because it makes nothing of it, and what ingress-nginx refuses all
/// the same: attempts to get text into a configuration.
std::optional<std::string> forbidden_part(const Ingress& ingress, std::string_view prefix) {
  const auto word = [&](std::string_view field, std::string_view why) {
    return fmt::format("Ingress {} {}: {}", ingress.meta.key.to_string(), field, why);
  };
  const bool good_uid = std::ranges::all_of(ingress.meta.uid, [](char c) {
    const char low = to_lower(c);
    return (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
  if (!good_uid) return word("metadata.uid", "InvalidUid: has other characters than a UID");
  for (const auto& [name, value] : ingress.meta.annotations) {
    const auto slash = std::min(name.find('/'), name.size());
    const std::string_view start = std::string_view(name).substr(0, slash);
    const std::string field = fmt::format("metadata.annotations[\"{}\"]", name);
    if (start == prefix && name.ends_with("-snippet"))
      return word(
          field,
          "SnippetRefused: configuration text is never taken from an Ingress (take the annotation "
          "out)"
      );
    if (start == kUsualPrefix && prefix != kUsualPrefix)
      return word(
          field, fmt::format("WrongPrefix: annotations are read under {} here (rename it)", prefix)
      );
  }
  return std::nullopt;
}

/// Whether the translation said it before as well, in order of which `before` is. A conflict of
/// another Ingress is the same with whomever it is: who has the path may change when the reviewed
/// one lets go of it.
bool was_there(
    const Diagnostic& diagnostic, const std::vector<Diagnostic>& before, const ObjectKey& reviewed
) {
  if (diagnostic.object == reviewed) return std::ranges::binary_search(before, diagnostic);
  const auto place = [](const Diagnostic& one) {
    return std::tie(one.kind, one.object, one.field, one.reason);
  };
  return std::ranges::binary_search(before, place(diagnostic), std::less<>(), place);
}

/// A path that is taken from another Ingress is reported of that one.
bool concerns(const Diagnostic& diagnostic, const ObjectKey& reviewed) {
  return diagnostic.kind == Kind::kIngress &&
         (diagnostic.object == reviewed || diagnostic.reason == "PathConflict");
}

}  // namespace

Reviewer::Reviewer(TranslateOptions options, std::shared_ptr<const tls::Certificate> self_made)
    : options_(std::move(options)), self_made_(std::move(self_made)) {
  // Of no Ingress, and so nothing that an Ingress could be refused for.
  options_.default_ssl_certificate.reset();
  options_.default_backend_service.reset();
}

AdmissionVerdict Reviewer::review(const Store& store, Ingress reviewed) const {
  if (reviewed.meta.deleting) return {};
  const ClassVerdict verdict = ClassSelection(options_.classes, store).judge(reviewed);
  if (verdict == ClassVerdict::kNotOurs) return {};
  const auto stored = store.ingresses().find(reviewed.meta.key);
  const Ingress* const in_cluster =
      stored == store.ingresses().end() ? nullptr : stored->second.get();
  if (auto excess = excess_of(reviewed, in_cluster)) return denied(*std::move(excess));
  if (verdict == ClassVerdict::kOurs)
    if (auto part = forbidden_part(reviewed, options_.annotations_prefix)) return denied(*part);
  using std::chrono::sys_seconds;
  if (reviewed.meta.creation_timestamp == sys_seconds{})
    reviewed.meta.creation_timestamp = sys_seconds::max();

  Store small = small_store_for(store, options_, reviewed);
  Translator translator(options_);
  const ResolvedNames no_names;
  const auto diagnose = [&] {
    return translator
        .translate({
            .store = small,
            .names = no_names,
            .now = std::chrono::system_clock::now(),
            .self_made_certificate = self_made_,
        })
        .diagnostics;
  };
  auto before = std::make_shared<const std::vector<Diagnostic>>();
  if (const auto it = store.ingresses().find(reviewed.meta.key); it != store.ingresses().end()) {
    small.apply(*it->second);
    before = diagnose();
  }
  const ObjectKey key = reviewed.meta.key;
  small.apply(std::move(reviewed));
  const auto after = diagnose();

  AdmissionVerdict out;
  for (const Diagnostic& diagnostic : *after)
    if (concerns(diagnostic, key) && is_refused(diagnostic) && !was_there(diagnostic, *before, key))
      return denied(denial_of(diagnostic));
  for (const Diagnostic& diagnostic : *after)
    if (diagnostic.kind == Kind::kIngress && diagnostic.object == key &&
        out.warnings.size() < kMostWarnings)
      out.warnings.push_back(diagnostic.to_string());
  return out;
}

}  // namespace cppx::controller
