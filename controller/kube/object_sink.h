#pragma once

#include <string>
#include <vector>

#include "controller/model/objects.h"

namespace cppx::controller {

/// How a source of objects is doing.
struct SourceState {
  bool synced = false;  ///< Everything that is there has been delivered once; stays so.
  std::string
      waiting_for;  ///< While not synced: "list of Ingresses: connect to ...: Connection refused".
  std::string trouble;  ///< What is wrong now, synced or not; one line, empty when nothing is.
};

/// Takes the objects of the Kubernetes source, in order, on the control thread.
class ObjectSink {
 public:
  virtual ~ObjectSink() = default;
  /// All objects of the kind in the namespace (`ns` empty: in all namespaces, and for
  /// cluster-scoped kinds): what is not among them is gone.
  virtual void replaced(Kind kind, const std::string& ns, std::vector<Object> objects) = 0;
  virtual void upserted(Object object) = 0;
  /// May name an object that was never delivered.
  virtual void removed(Kind kind, const ObjectKey& key) = 0;
  virtual void source_changed(const SourceState& state) = 0;
};

}  // namespace cppx::controller
