#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/basic_waitable_timer.hpp>

#include "controller/kube/followed_kind.h"
#include "controller/kube/kube_source.h"

namespace cppx::controller {

/// A kind that the source follows.
struct FollowedKindInfo {
  Kind kind;
  bool required;  ///< Without it, traffic would be served wrongly: never synced.
};

/// What is followed now, and how far it is; the namespaces that come and go (kube_source.cpp); and
/// which Secrets and ConfigMaps are kept (kube_source_wanted.cpp).
class KubeSource::Impl final : private ObjectSink {
 public:
  Impl(std::unique_ptr<ApiClient> client, KubeSourceOptions options, ObjectSink& sink);

  void start();
  void stop();
  [[nodiscard]] bool stopped() const noexcept;
  void set_wanted(Kind kind, std::set<ObjectKey> keys);
  [[nodiscard]] const SourceState& state() const noexcept { return state_; }

 private:
  using Timer = boost::asio::basic_waitable_timer<
      std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>, Executor>;

  // Of the namespaces of the selector.
  void replaced(Kind kind, const std::string& ns, std::vector<Object> objects) override;
  void upserted(Object object) override;
  void removed(Kind kind, const ObjectKey& key) override;
  void source_changed(const SourceState&) override {}

  [[nodiscard]] bool one_by_one() const {
    return !options_.namespaces.empty() || !options_.namespace_selector.empty();
  }
  FollowedKind& follow(const FollowedKindInfo& info, const std::string& ns, ObjectSink& sink);
  void follow_namespace(const std::string& ns);
  void drop_namespace(const std::string& ns);
  void start_due_ingresses();

  KeepObject keep_of(Kind kind);
  bool keep_on_request(Kind kind, const ObjectKey& key);
  void forget_unwanted(Kind kind);
  [[nodiscard]] bool wants(Kind kind, const ObjectKey& key) const;
  FollowedKind* followed_of(Kind kind, const ObjectKey& key);
  /// Tries until the object is there, known to be absent, or no longer wanted.
  Task<void> fetch(Reflector& reflector, ObjectKey key);

  void update_state();
  [[nodiscard]] SourceState computed_state() const;
  void ask_again();
  /// Whether everything that is required was listed in a namespace; and whether some of it is
  /// refused.
  [[nodiscard]] bool is_complete(const std::string& ns, bool with_ingresses) const;
  [[nodiscard]] bool is_blocked(const std::string& ns) const;
  /// Namespaces without which the source can be synced.
  [[nodiscard]] std::set<std::string> left_out() const;

  std::unique_ptr<ApiClient> client_;
  KubeSourceOptions options_;
  ObjectSink& sink_;
  std::vector<std::unique_ptr<FollowedKind>> followed_;
  std::vector<std::unique_ptr<FollowedKind>> leaving_;  ///< Stopped, and not yet at their ends.
  std::set<std::string> namespaces_;                    ///< Those followed one by one.
  std::map<Kind, std::set<ObjectKey>> wanted_;          ///< No entry: never told.
  /// Kept for being wanted, not for their type. May name objects that were deleted since.
  std::map<Kind, std::set<ObjectKey>> kept_on_request_;
  std::set<std::pair<Kind, ObjectKey>> fetching_;
  SourceState state_;
  std::uint32_t seed_;
  bool started_ = false;
  bool stopping_ = false;
};

}  // namespace cppx::controller
