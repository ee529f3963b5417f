#pragma once

#include <string>
#include <string_view>

#include "controller/model/objects.h"

namespace cppx::controller {

/// How the API server names a kind.
struct Resource {
  std::string_view group_path;  ///< "/api/v1", "/apis/networking.k8s.io/v1"
  std::string_view plural;      ///< "ingresses"
  std::string_view display;     ///< "Ingresses", for the log
  bool namespaced = true;
  std::string_view field_selector;  ///< What is never wanted is left out by the server.
};

const Resource& resource_of(Kind kind) noexcept;

/// Path of the collection, in one namespace or, with an empty `ns`, in all.
std::string collection_path(const Resource& resource, std::string_view ns);
/// Path of one object.
std::string object_path(const Resource& resource, const ObjectKey& key);

}  // namespace cppx::controller
