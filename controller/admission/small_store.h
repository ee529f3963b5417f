#pragma once

#include "controller/cache/store.h"
#include "controller/model/objects.h"
#include "controller/translate/translate.h"

namespace cppx::controller {

/// What a translation needs in order to say of `reviewed` what it would say with all of `store`:
/// the classes, the ConfigMap, Ingresses of ours that take one of its paths or decide the
/// certificate of one of its hosts, and the Services and Secrets of all these. `reviewed` itself is
/// not in it.
Store small_store_for(const Store& store, const TranslateOptions& options, const Ingress& reviewed);

}  // namespace cppx::controller
