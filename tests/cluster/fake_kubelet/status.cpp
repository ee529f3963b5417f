#include "tests/cluster/fake_kubelet/status.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <ctime>
#include <utility>

namespace cppx::fake_kubelet {

using nlohmann::json;

namespace {

std::string now_text() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

json condition(std::string_view type, bool holds, std::string_view reason) {
  return {
      {"type", type},
      {"status", holds ? "True" : "False"},
      {"reason", reason},
      {"lastTransitionTime", now_text()},
  };
}

json node_condition(std::string_view type, bool holds, std::string_view reason) {
  json value = condition(type, holds, reason);
  value["lastHeartbeatTime"] = now_text();
  return value;
}

json container_statuses(const json& pod, bool ready) {
  json statuses = json::array();
  const auto containers = pod.find("spec") != pod.end()
                              ? pod["spec"].value("containers", json::array())
                              : json::array();
  for (const json& container : containers) {
    statuses.push_back({
        {"name", container.value("name", "")},
        {"image", container.value("image", "")},
        {"imageID", ""},
        {"ready", ready},
        {"started", true},
        {"restartCount", 0},
        {"state", {{"running", {{"startedAt", now_text()}}}}},
    });
  }
  return statuses;
}

}  // namespace

std::string text_at(const json& object, std::string_view path) {
  const json* value = &object;
  while (!path.empty()) {
    const auto dot = path.find('.');
    const auto field = path.substr(0, dot);
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
    if (!value->is_object()) return {};
    const auto found = value->find(field);
    if (found == value->end()) return {};
    value = &*found;
  }
  return value->is_string() ? value->get<std::string>() : std::string();
}

std::string annotation_of(const json& object, std::string_view name) {
  const auto metadata = object.find("metadata");
  if (metadata == object.end() || !metadata->contains("annotations")) return {};
  const json& annotations = (*metadata)["annotations"];
  const auto found = annotations.find(name);
  return found != annotations.end() && found->is_string() ? found->get<std::string>()
                                                          : std::string();
}

std::string condition_of(const json& object, std::string_view type) {
  const auto status = object.find("status");
  if (status == object.end() || !status->contains("conditions")) return {};
  for (const json& entry : (*status)["conditions"])
    if (entry.value("type", "") == type) return entry.value("status", "");
  return {};
}

json node_status_patch(const json& node, const std::string& address) {
  const json room = {
      {"cpu", "64"}, {"memory", "256Gi"}, {"ephemeral-storage", "1Ti"}, {"pods", "4000"}
  };
  return {
      {"status",
       {{"addresses", json::array(
                          {{{"type", "InternalIP"}, {"address", address}},
                           {{"type", "Hostname"}, {"address", text_at(node, "metadata.name")}}}
                      )},
        {"capacity", room},
        {"allocatable", room},
        {"conditions", json::array(
                           {node_condition("Ready", true, "KubeletReady"),
                            node_condition("MemoryPressure", false, "KubeletHasSufficientMemory"),
                            node_condition("DiskPressure", false, "KubeletHasNoDiskPressure"),
                            node_condition("PIDPressure", false, "KubeletHasSufficientPID")}
                       )}}}
  };
}

bool pod_should_be_ready(const json& pod) {
  return annotation_of(pod, kReadyAnnotation) != "false";
}

json pod_status_patch(
    const json& pod, const std::string& pod_address, const std::string& node_address
) {
  const bool ready = pod_should_be_ready(pod);
  const std::string_view reason = ready ? "" : "ContainersNotReady";
  std::string started = text_at(pod, "status.startTime");
  if (started.empty()) started = now_text();
  return {
      {"status",
       {{"phase", "Running"},
        {"hostIP", node_address},
        {"hostIPs", json::array({{{"ip", node_address}}})},
        {"podIP", pod_address},
        {"podIPs", json::array({{{"ip", pod_address}}})},
        {"startTime", started},
        {"conditions", json::array(
                           {condition("Initialized", true, ""), condition("Ready", ready, reason),
                            condition("ContainersReady", ready, reason)}
                       )},
        {"containerStatuses", container_statuses(pod, ready)}}}
  };
}

}  // namespace cppx::fake_kubelet
