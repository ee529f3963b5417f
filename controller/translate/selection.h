#pragma once

#include <vector>

#include "controller/cache/store.h"
#include "controller/translate/diagnostic_list.h"
#include "controller/translate/hosts.h"
#include "controller/translate/proxy_settings.h"
#include "controller/translate/translate.h"

namespace cppx::controller {

/// The Ingresses of ours that may be served, in order of precedence: the oldest first, and of those
/// made in the same second the last by "namespace/name". The others are reported where they are
/// ours but refused as a whole. Borrows from the store.
std::vector<SelectedIngress> select_ingresses(
    const Store& store, const TranslateOptions& options, const GlobalSettings& settings,
    DiagnosticList& diagnostics
);

}  // namespace cppx::controller
