#include "tests/cluster/fake_kubelet/work_queue.h"

#include <algorithm>

namespace cppx::fake_kubelet {

void WorkQueue::add(const std::string& name, Clock::time_point when) {
  const auto [entry, added] = due_.emplace(name, when);
  if (!added && entry->second <= when) return;
  entry->second = when;
  timer_.cancel();
}

void WorkQueue::remove(const std::string& name) { due_.erase(name); }

controller::Task<std::string> WorkQueue::next() {
  for (;;) {
    const auto first =
        std::min_element(due_.begin(), due_.end(), [](const auto& left, const auto& right) {
          return left.second < right.second;
        });
    if (first != due_.end() && first->second <= Clock::now()) {
      std::string name = first->first;
      due_.erase(first);
      co_return name;
    }
    timer_.expires_at(first == due_.end() ? Clock::time_point::max() : first->second);
    // add() ends the wait early.
    const auto ended = co_await timer_.async_wait(controller::kAsTuple);
    static_cast<void>(ended);
  }
}

}  // namespace cppx::fake_kubelet
