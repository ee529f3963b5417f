#pragma once

#include <map>
#include <memory>
#include <utility>

namespace cppx::controller {

/// Makes equal policies one object, in successive translations too. `Policy` is made of its
/// `value`, which can be ordered.
template <class Policy>
class PolicyCache {
 public:
  using Value = decltype(Policy::value);

  const std::shared_ptr<const Policy>& of(const Value& value) {
    auto& policy = policies_[value];
    if (policy == nullptr) policy = std::make_shared<const Policy>(value);
    return policy;
  }

  /// Forgets those that no snapshot has any more; at the start of a translation.
  void drop_unused() {
    std::erase_if(policies_, [](const auto& entry) { return entry.second.use_count() == 1; });
  }

 private:
  std::map<Value, std::shared_ptr<const Policy>> policies_;
};

}  // namespace cppx::controller
