#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace cppx::fake_kubelet {

/// Set to "false" on a Pod: it is not ready.
inline constexpr std::string_view kReadyAnnotation = "cppx.io/test-ready";
/// On a Node: the InternalIP it shall have.
inline constexpr std::string_view kAddressAnnotation = "cppx.io/test-address";

/// A field by path ("status.podIP") as text; empty when it is not there.
std::string text_at(const nlohmann::json& object, std::string_view path);
std::string annotation_of(const nlohmann::json& object, std::string_view name);
/// Status of a condition ("True"), empty when it is not there.
std::string condition_of(const nlohmann::json& object, std::string_view type);

/// Strategic-merge patch of a Node's status: Ready, with the address and room for pods.
nlohmann::json node_status_patch(const nlohmann::json& node, const std::string& address);

bool pod_should_be_ready(const nlohmann::json& pod);
/// Strategic-merge patch of a Pod's status: running at the address, ready or not.
nlohmann::json pod_status_patch(
    const nlohmann::json& pod, const std::string& pod_address, const std::string& node_address
);

}  // namespace cppx::fake_kubelet
