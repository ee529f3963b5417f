#include "controller/kube/task_group.h"

#include <exception>
#include <list>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include "base/log.h"

namespace cppx::controller {
namespace {

/// The only exception a task may end with is the one by which Asio unwinds it when cancelled.
void report(const std::exception_ptr& failure, bool cancelled) {
  if (!failure || cancelled) return;
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& error) {
    log::error("A task of the controller ended by an exception: {}", error.what());
  }
}

}  // namespace

struct TaskGroup::State {
  std::list<boost::asio::cancellation_signal> signals;  ///< One for every running task.
  bool cancelled = false;
};

TaskGroup::TaskGroup(Executor executor)
    : executor_(std::move(executor)), state_(std::make_shared<State>()) {}

TaskGroup::~TaskGroup() { cancel(); }

void TaskGroup::spawn(Task<void> task) {
  if (state_->cancelled) return;
  const auto signal = state_->signals.emplace(state_->signals.end());
  auto done = [state = state_, signal, executor = executor_](const std::exception_ptr& failure) {
    report(failure, state->cancelled);
    // The coroutine still refers to its signal while this handler runs.
    boost::asio::post(executor, [state, signal] { state->signals.erase(signal); });
  };
  boost::asio::co_spawn(
      executor_, std::move(task),
      boost::asio::bind_cancellation_slot(signal->slot(), std::move(done))
  );
}

void TaskGroup::cancel() {
  if (state_->cancelled) return;
  state_->cancelled = true;
  for (auto& signal : state_->signals) signal.emit(boost::asio::cancellation_type::terminal);
}

bool TaskGroup::empty() const noexcept { return state_->signals.empty(); }
bool TaskGroup::cancelled() const noexcept { return state_->cancelled; }

}  // namespace cppx::controller
