#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controller/cache/store.h"
#include "controller/translate/proxy_settings.h"
#include "controller/translate/translate.h"
#include "tls/certificate.h"

namespace cppx::controller::test {

/// Objects of a YAML text; fails the test when a document is broken.
std::vector<Object> objects_of(std::string_view yaml);

/// A store with the objects of a YAML text.
Store store_of(std::string_view yaml);

/// What a ConfigMap with this data says; fails the test when it gives another number of
/// diagnostics.
GlobalSettings settings_of(const StringMap& data, std::size_t diagnostics = 0);

/// The certificate of last resort all tests share.
std::shared_ptr<const tls::Certificate> self_made_certificate();

/// 2026-11-24T00:00:00Z, which the certificates of tests/golden/secrets.yaml are good at.
std::chrono::system_clock::time_point test_now();

/// Translates with a new Translator.
Translation translate(
    const Store& store, const TranslateOptions& options = {}, const ResolvedNames& names = {}
);

/// The dump of the snapshot, the names of the SNI table, and the diagnostics, as text.
std::string show(const Translation& translation);

/// An EndpointSlice of the Service "web" with one endpoint, port 8080.
std::string endpoints_yaml(std::string_view address);

/// Whole content of a file; fails the test when it cannot be read.
std::string read_text(const std::string& path);

}  // namespace cppx::controller::test
