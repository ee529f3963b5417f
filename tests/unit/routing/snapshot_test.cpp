#include "routing/snapshot.h"

#include <memory>
#include <string>

#include <catch2/catch_test_macros.hpp>

namespace cppx::routing {
namespace {

TEST_CASE("Snapshot: listeners by name", "[routing]") {
  Snapshot snapshot;
  CHECK(snapshot.find_listener(kHttpListener) == nullptr);
  for (const auto name : {kHttpListener, kHttpsListener})
    snapshot.listeners.push_back(
        {.name = std::string(name), .protocol = {}, .routes = nullptr, .certificates = nullptr}
    );
  CHECK(snapshot.find_listener(kHttpListener) == &snapshot.listeners[0]);
  CHECK(snapshot.find_listener(kHttpsListener) == &snapshot.listeners[1]);
  CHECK(snapshot.find_listener("HTTP") == nullptr);
  CHECK(snapshot.find_listener("") == nullptr);
}

}  // namespace
}  // namespace cppx::routing
