#include "tests/unit/controller/translate_support.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <fstream>
#include <iterator>

#include <catch2/catch_test_macros.hpp>

#include "controller/file/document.h"
#include "controller/model/decode.h"
#include "routing/dump.h"
#include "tls/self_signed.h"
#include "tls/sni_table.h"

namespace cppx::controller::test {
namespace {

std::string show(const tls::Certificate& certificate) {
  if (&certificate == self_made_certificate().get()) return "self-made";
  return fmt::format(
      "{} {}", fmt::join(certificate.names(), ","), certificate.fingerprint().substr(0, 8)
  );
}

}  // namespace

std::vector<Object> objects_of(std::string_view yaml) {
  std::vector<Object> out;
  for (const Document& document : parse_yaml(yaml)) {
    INFO("document " << document.number << " line " << document.line << ": " << document.error);
    REQUIRE(document.json.has_value());
    auto decoded = decode(*document.json);
    INFO((decoded ? std::string() : decoded.error().detail));
    REQUIRE(decoded.has_value());
    for (Object& object : *decoded) out.push_back(std::move(object));
  }
  return out;
}

Store store_of(std::string_view yaml) {
  Store store;
  for (Object& object : objects_of(yaml)) store.apply(std::move(object));
  return store;
}

std::shared_ptr<const tls::Certificate> self_made_certificate() {
  static const auto certificate = [] {
    auto made = tls::make_default_certificate();
    REQUIRE(made.has_value());
    return *made;
  }();
  return certificate;
}

std::chrono::system_clock::time_point test_now() {
  using namespace std::chrono_literals;
  return std::chrono::sys_days(2026y / std::chrono::November / 24);
}

Translation translate(
    const Store& store, const TranslateOptions& options, const ResolvedNames& names
) {
  return Translator(options).translate({
      .store = store,
      .names = names,
      .now = test_now(),
      .self_made_certificate = self_made_certificate(),
  });
}

std::string show(const Translation& translation) {
  std::string out = routing::dump(*translation.snapshot);
  const auto* https = translation.snapshot->find_listener(routing::kHttpsListener);
  REQUIRE(https != nullptr);
  out += fmt::format("sni default -> {}\n", show(https->certificates->fallback()));
  for (const auto& [name, certificate] : https->certificates->entries())
    out += fmt::format("sni {} -> {}\n", name, show(*certificate));
  for (const std::string& name : *translation.external_names)
    out += fmt::format("resolve {}\n", name);
  for (const Diagnostic& diagnostic : *translation.diagnostics)
    out += fmt::format(
        "{} {}\n", diagnostic.severity == Severity::kError ? "error" : "warning",
        diagnostic.to_string()
    );
  return out;
}

GlobalSettings settings_of(const StringMap& data, std::size_t diagnostics) {
  ConfigMap map;
  map.data = data;
  DiagnosticList list;
  GlobalSettings settings = read_global_settings(map, list);
  CHECK(list.take().size() == diagnostics);
  return settings;
}

std::string endpoints_yaml(std::string_view address) {
  return fmt::format(
      R"(apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: web-1, labels: {{kubernetes.io/service-name: web}}}}
addressType: IPv4
ports: [{{port: 8080}}]
endpoints: [{{addresses: ["{}"]}}]
)",
      address
  );
}

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  INFO(path);
  REQUIRE(in.good());
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace cppx::controller::test
