#pragma once
// controller/admission/: whether an Ingress may be written, asked by the API server before it is.
//
//   WebhookServer (HTTPS) → AdmissionReview → ReviewQueue → Controller::review() → Reviewer
//   (dry run of the translation) → AdmissionVerdict
//   ServingCertificate: from files, or made here, kept in a Secret and told to the
//   ValidatingWebhookConfiguration
//
// The server has a thread of its own; reviews run on the control thread, where the Store is. What
// is reviewed decides nothing but the answer: no code is run, no file read and no address reached
// for it.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/cache/store.h"
#include "controller/model/objects.h"
#include "controller/translate/translate.h"
#include "tls/certificate.h"

namespace cppx::controller {

struct AdmissionVerdict {
  bool allowed = true;
  std::string message;                ///< Why not: object, field, reason, what to do. One line.
  std::vector<std::string> warnings;  ///< Shown by kubectl; one line each.
};

/// Where the verdict of a review goes, and until when it is waited for.
class ReviewDone {
 public:
  using Time = std::chrono::steady_clock::time_point;

  ReviewDone(std::function<void(std::optional<AdmissionVerdict>)> take, Time until)
      : take_(std::move(take)), until_(until) {}

  /// To be asked right before the review: it may have been queued for long.
  [[nodiscard]] bool is_awaited() const { return std::chrono::steady_clock::now() < until_; }
  /// Once: the verdict, or nothing where there is none.
  void operator()(std::optional<AdmissionVerdict> verdict) const { take_(std::move(verdict)); }

 private:
  std::function<void(std::optional<AdmissionVerdict>)> take_;
  Time until_;
};

/// Decides by a dry run: what the translation says of the Ingress as it would be, and did not say
/// of it before. Looks only at it and at what takes paths of its hosts, so that its cost grows with
/// its size, which is bounded, and not with the objects there are (but for one scan of the
/// Ingresses' hosts).
///
/// Denied: what is too large, what would not be served, paths that another Ingress has
/// (ValidatingWebhook of ingress-nginx: "host and path already defined"), values of annotations
/// that cannot be used, snippets. Allowed with warnings: Services and Secrets that are missing or
/// broken, which may come later; annotations that are not known. Ingresses that are not ours are
/// allowed untouched.
class Reviewer {
 public:
  /// `self_made` stands for all default certificates.
  Reviewer(TranslateOptions options, std::shared_ptr<const tls::Certificate> self_made);

  /// `reviewed` need not be in the store; without a creationTimestamp it is the newest.
  [[nodiscard]] AdmissionVerdict review(const Store& store, Ingress reviewed) const;

 private:
  TranslateOptions options_;
  std::shared_ptr<const tls::Certificate> self_made_;
};

}  // namespace cppx::controller
