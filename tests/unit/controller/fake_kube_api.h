#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/unit/controller/fake_api_server.h"

namespace cppx::controller::test {

/// Paths of collections.
inline constexpr const char* kConfigMaps = "/api/v1/configmaps";
inline constexpr const char* kIngresses = "/apis/networking.k8s.io/v1/ingresses";
inline constexpr const char* kLeases = "/apis/coordination.k8s.io/v1/leases";
inline constexpr const char* kNamespaces = "/api/v1/namespaces";
inline constexpr const char* kSecrets = "/api/v1/secrets";
inline constexpr const char* kServices = "/api/v1/services";

/// Collections with the rules of a Kubernetes API server: one revision for all, lists in pages,
/// watches from a revision on, 410 for what was compacted away; POST, PUT and PATCH that give 409
/// as it does, and a status that only its subresource changes.
class FakeKubeApi {
 public:
  explicit FakeKubeApi(boost::asio::io_context& io);

  FakeApiServer server;

  /// Adds or changes an object; its metadata gets the next revision. `collection` like
  /// "/api/v1/services"; the namespace is taken from the object.
  void put(const std::string& collection, nlohmann::json object);
  void remove(const std::string& collection, const std::string& ns, const std::string& name);
  void bookmark(const std::string& collection);
  /// Watches from before now get 410; watches under way go on.
  void compact() { compacted_ = revision_; }

  /// Answers requests whose target contains the key like this, until taken out.
  std::map<std::string, FakeReply> overrides;
  /// The object as it is now, null when there is none.
  [[nodiscard]] nlohmann::json object(
      const std::string& collection, const std::string& ns, const std::string& name
  ) const;
  /// How many requests of a method had a target with this part.
  [[nodiscard]] std::size_t count(const std::string& method, const std::string& part) const;
  /// Every GET of one object, before it is answered.
  std::function<void(const FakeRequest&)> before_read;
  /// Every write, before it is decided on.
  std::function<void(const FakeRequest&)> before_write;
  /// Whether lists may be streamed; without, sendInitialEvents gets 422.
  bool streams = true;
  /// Whether a streamed list comes to its end by itself, or waits for end_initial_events().
  bool ends_initial_events = true;
  /// The bookmark that ends the initial events of all streamed lists of the collection under way.
  void end_initial_events(const std::string& collection);

  /// Every answer to a list page, so that something may happen between two.
  std::function<void()> after_page;

  [[nodiscard]] std::size_t lists(const std::string& collection) const;
  [[nodiscard]] std::size_t watches(const std::string& collection) const;
  [[nodiscard]] std::uint64_t revision() const { return revision_; }

  static std::string event_line(const std::string& type, const nlohmann::json& object);
  /// A Status object, as the body of an answer or of an ERROR event.
  static nlohmann::json status(unsigned code, const std::string& message);

 private:
  struct Event {
    std::uint64_t revision;
    std::string collection;
    std::string ns;
    std::string line;
  };

  FakeReply answer(const FakeRequest& request);
  FakeReply list(const std::string& collection, const std::string& ns, const std::string& query);
  FakeReply watch(const std::string& collection, const std::string& ns, const std::string& query);
  FakeReply stream(const std::string& collection, const std::string& ns);
  [[nodiscard]] std::string end_line() const;
  FakeReply get(const std::string& collection, const std::string& key);
  FakeReply write(const FakeRequest& request);
  FakeReply create(const std::string& collection, const std::string& ns, nlohmann::json object);
  FakeReply change(
      const std::string& collection, const std::string& key, const FakeRequest& request, bool status
  );
  void happened(const std::string& type, const std::string& collection, nlohmann::json object);

  std::uint64_t revision_ = 100;
  std::uint64_t compacted_ = 0;
  std::map<std::string, std::map<std::string, nlohmann::json>> collections_;  ///< By "ns/name".
  std::vector<Event> history_;
};

}  // namespace cppx::controller::test
