#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include <boost/asio/basic_waitable_timer.hpp>

#include "controller/kube/task.h"

namespace cppx::fake_kubelet {

/// Names of things to look at, each with the time from which on it is due; every name is in it
/// once.
class WorkQueue {
 public:
  using Clock = std::chrono::steady_clock;

  explicit WorkQueue(const controller::Executor& executor) : timer_(executor) {}

  /// Due at `when`, or earlier if it was due earlier already.
  void add(const std::string& name, Clock::time_point when = Clock::now());
  void remove(const std::string& name);
  /// Waits for the name that is due first and takes it out.
  controller::Task<std::string> next();

 private:
  std::map<std::string, Clock::time_point> due_;
  boost::asio::basic_waitable_timer<Clock, boost::asio::wait_traits<Clock>, controller::Executor>
      timer_;
};

}  // namespace cppx::fake_kubelet
