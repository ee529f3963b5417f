#pragma once
// events/: what people are told at the object itself (kubectl describe).
//
//   Diagnostic, "Scheduled for sync" → EventRecorder (EventLimits) → POST and PATCH of core/v1
//   Events
//
// Only the leader sends. May include: kube, translate (diagnostics), model, base.

#include <chrono>
#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "controller/model/objects.h"

namespace cppx::controller {

enum class EventType : std::uint8_t { kNormal, kWarning };

/// Something to be said about an object, which may not exist.
struct EventNote {
  Kind kind = Kind::kIngress;
  ObjectKey object;
  std::string uid;  ///< Empty when the object is not there.
  std::string resource_version;
  EventType type = EventType::kNormal;
  std::string reason;   ///< CamelCase, one word.
  std::string message;  ///< Of any length; cut to what an Event may have.
};

/// Who tells: source and reportingComponent of the Events.
struct EventOrigin {
  std::string component = "cppx";
  std::string instance;  ///< The pod, or the host and process.
};

/// Where the Events of a note are: Events about things without a namespace are in "default".
std::string event_namespace(const EventNote& note);
/// The same for all notes that say the same of the same object, and for no others: the next leader
/// finds what the last one made, and counts on.
std::string event_name(const EventNote& note);
/// The Event itself (core/v1), told for the first time.
nlohmann::json event_object(
    const EventNote& note, const EventOrigin& origin, std::chrono::system_clock::time_point now
);
/// "2026-11-26T10:00:00Z", as Kubernetes writes times in Events.
std::string event_time(std::chrono::system_clock::time_point time);

}  // namespace cppx::controller
