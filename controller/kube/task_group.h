#pragma once

#include <cstddef>
#include <memory>

#include "controller/kube/task.h"

namespace cppx::controller {

/// Owns coroutines: starts them, cancels them all, and knows whether some still run. The objects
/// that a task refers to must live until `empty()`: cancel, then run the io_context on until then.
class TaskGroup {
 public:
  explicit TaskGroup(Executor executor);
  ~TaskGroup();  ///< Cancels what still runs.
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  /// Starts the task at the next turn of the io_context. Does nothing after cancel().
  void spawn(Task<void> task);
  /// Every task ends at its present or next await. On the io_context's thread.
  void cancel();

  [[nodiscard]] bool empty() const noexcept;
  [[nodiscard]] bool cancelled() const noexcept;

 private:
  struct State;

  Executor executor_;
  std::shared_ptr<State> state_;
};

}  // namespace cppx::controller
