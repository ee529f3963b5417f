#include "controller/admission/review_queue.h"

#include <chrono>
#include <list>
#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/post.hpp>

#include "controller/admission/review.h"
#include "controller/kube/task.h"
#include "controller/model/objects.h"

namespace cppx::controller {

struct ReviewQueue::Asked {
  using Clock = std::chrono::steady_clock;

  Asked(const Executor& executor, Ingress given) : ingress(std::move(given)), timer(executor) {}

  Ingress ingress;
  boost::asio::basic_waitable_timer<Clock, boost::asio::wait_traits<Clock>, Executor> timer;
  std::optional<AdmissionVerdict> verdict;
};

ReviewQueue::ReviewQueue(Executor executor, ReviewFunction review, std::chrono::seconds at_most)
    : executor_(std::move(executor)), review_(std::move(review)), at_most_(at_most) {}

Task<std::optional<AdmissionVerdict>> ReviewQueue::ask(Ingress ingress) {
  const auto asked = std::make_shared<Asked>(executor_, std::move(ingress));
  asked->timer.expires_after(at_most_);
  waiting_.push_back(asked);
  begin_next();
  // Nobody answers before this waits: answers come in a later turn of the executor.
  const auto ended = co_await asked->timer.async_wait(kAsTuple);
  static_cast<void>(ended);
  waiting_.remove(asked);
  co_return std::move(asked->verdict);
}

void ReviewQueue::begin_next() {
  if (under_way_ || waiting_.empty()) return;
  under_way_ = true;
  const auto asked = std::move(waiting_.front());
  waiting_.pop_front();
  const auto done = [this, asked, executor = executor_](std::optional<AdmissionVerdict> verdict) {
    boost::asio::post(executor, [this, asked, verdict = std::move(verdict)]() mutable {
      end(*asked, std::move(verdict));
    });
  };
  review_(std::move(asked->ingress), ReviewDone(done, asked->timer.expiry()));
}

void ReviewQueue::end(Asked& asked, std::optional<AdmissionVerdict> verdict) {
  asked.verdict = std::move(verdict);
  asked.timer.cancel();
  under_way_ = false;
  begin_next();
}

}  // namespace cppx::controller
