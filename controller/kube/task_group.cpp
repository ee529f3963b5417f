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
  struct Running {
    boost::asio::cancellation_signal signal;
    bool ended = false;
  };
  std::list<Running> tasks;
  bool cancelled = false;
};

TaskGroup::TaskGroup(Executor executor)
    : executor_(std::move(executor)), state_(std::make_shared<State>()) {}

TaskGroup::~TaskGroup() { cancel(); }

void TaskGroup::spawn(Task<void> task) {
  if (state_->cancelled) return;
  const auto running = state_->tasks.emplace(state_->tasks.end());
  auto done = [state = state_, running, executor = executor_](const std::exception_ptr& failure) {
    report(failure, state->cancelled);
    running->ended = true;
    // The coroutine, and a cancellation on its way, still refer to the signal.
    boost::asio::post(executor, [state, running] { state->tasks.erase(running); });
  };
  boost::asio::co_spawn(
      executor_, std::move(task),
      boost::asio::bind_cancellation_slot(running->signal.slot(), std::move(done))
  );
}

void TaskGroup::cancel() {
  if (state_->cancelled) return;
  state_->cancelled = true;
  // co_spawn passes a cancellation on at a later turn, by when the signal of an ended task is gone.
  for (auto& running : state_->tasks)
    if (!running.ended) running.signal.emit(boost::asio::cancellation_type::terminal);
}

bool TaskGroup::empty() const noexcept { return state_->tasks.empty(); }
bool TaskGroup::cancelled() const noexcept { return state_->cancelled; }

}  // namespace cppx::controller
