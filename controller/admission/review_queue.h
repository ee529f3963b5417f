#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <optional>

#include "controller/admission/review.h"
#include "controller/kube/task.h"
#include "controller/model/objects.h"

namespace cppx::controller {

/// Reviews on whatever thread, and calls what it is given there, once or never: with nothing while
/// it is not known yet what there is, or when nobody waits any more.
using ReviewFunction = std::function<void(Ingress, ReviewDone)>;

/// Has reviews done one at a time, in the order in which they were asked for: the thread that does
/// them has the configuration to keep up, and gets to that between any two. Belongs to the thread
/// of its executor.
class ReviewQueue {
 public:
  /// `at_most`: how long the verdict is waited for, the turn included.
  ReviewQueue(Executor executor, ReviewFunction review, std::chrono::seconds at_most);
  ReviewQueue(const ReviewQueue&) = delete;
  ReviewQueue& operator=(const ReviewQueue&) = delete;

  /// Nothing when there is no verdict (in time). The queue must outlive the task.
  Task<std::optional<AdmissionVerdict>> ask(Ingress ingress);

 private:
  struct Asked;

  void begin_next();
  void end(Asked& asked, std::optional<AdmissionVerdict> verdict);

  Executor executor_;
  ReviewFunction review_;
  std::chrono::seconds at_most_;
  std::list<std::shared_ptr<Asked>> waiting_;  // for their turn
  bool under_way_ = false;
};

}  // namespace cppx::controller
