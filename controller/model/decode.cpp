#include "controller/model/decode.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "controller/model/decode_parts.h"
#include "controller/model/json_field.h"
#include "controller/model/objects.h"
#include "controller/model/timestamp.h"

namespace cppx::controller {
namespace {

constexpr std::size_t kMaxNameLength = 253;
constexpr std::string_view kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";

enum class Scope : std::uint8_t { kNamespaced, kCluster };

struct KnownKind {
  std::string_view group;  // empty: core
  std::string_view kind;
  Scope scope;
};

constexpr std::array kKnownKinds{
    KnownKind{"networking.k8s.io", "Ingress", Scope::kNamespaced},
    KnownKind{"networking.k8s.io", "IngressClass", Scope::kCluster},
    KnownKind{"", "Service", Scope::kNamespaced},
    KnownKind{"discovery.k8s.io", "EndpointSlice", Scope::kNamespaced},
    KnownKind{"", "Endpoints", Scope::kNamespaced},
    KnownKind{"", "Secret", Scope::kNamespaced},
    KnownKind{"", "ConfigMap", Scope::kNamespaced},
    KnownKind{"", "Namespace", Scope::kCluster},
};

struct TypeName {
  std::string group;
  std::string version;
  std::string kind;
};

TypeName type_of(const JsonField& object, std::string_view fallback_kind) {
  TypeName type;
  type.kind = object["kind"].text();
  if (type.kind.empty()) type.kind = fallback_kind;
  std::string api = object["apiVersion"].text();
  const auto slash = api.find('/');
  if (slash == std::string::npos) {
    type.version = std::move(api);
  } else {
    type.group = api.substr(0, slash);
    type.version = api.substr(slash + 1);
  }
  return type;
}

const KnownKind* find_known(const TypeName& type, bool any_group) {
  const auto it = std::ranges::find_if(kKnownKinds, [&](const KnownKind& known) {
    return known.kind == type.kind && (any_group || known.group == type.group);
  });
  return it == kKnownKinds.end() ? nullptr : &*it;
}

bool valid_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  };
  return name.size() <= kMaxNameLength && name != "." && name != ".." &&
         std::ranges::all_of(name, allowed);
}

std::string decode_name(const JsonField& field) {
  std::string name = field.required_text();
  if (!valid_name(name)) field.fail("not a valid object name");
  return name;
}

ObjectMeta decode_meta(const JsonField& meta, Scope scope) {
  ObjectMeta out;
  if (!meta.present()) meta.fail("missing");
  out.key.name = decode_name(meta["name"]);
  if (scope == Scope::kNamespaced) {
    const JsonField ns = meta["namespace"];
    out.key.ns = ns.text();
    if (out.key.ns.empty()) out.key.ns = "default";
    if (!valid_name(out.key.ns)) ns.fail("not a valid namespace name");
  }
  out.uid = meta["uid"].text();
  out.resource_version = meta["resourceVersion"].text();
  out.generation = meta["generation"].integer(0);
  const JsonField created = meta["creationTimestamp"];
  if (const auto text = created.optional_text()) {
    const auto time = parse_timestamp(*text);
    if (!time) created.fail("\"" + *text + "\" is not a time");
    out.creation_timestamp = time.value_or(std::chrono::sys_seconds{});
  }
  out.deleting = meta["deletionTimestamp"].present();
  out.labels = meta["labels"].string_map();
  out.annotations = meta["annotations"].string_map();
  // A copy of the whole object, made by kubectl apply: as large as all the rest.
  if (const auto copy = out.annotations.find(kLastApplied); copy != out.annotations.end())
    out.annotations.erase(copy);
  return out;
}

Decoded decode_known(const JsonField& object, const KnownKind& known) {
  Decoded out;
  ObjectMeta meta = decode_meta(object["metadata"], known.scope);
  if (known.kind == "Ingress") {
    out.emplace_back(decode_ingress(object, std::move(meta)));
  } else if (known.kind == "IngressClass") {
    out.emplace_back(decode_ingress_class(object, std::move(meta)));
  } else if (known.kind == "Service") {
    out.emplace_back(decode_service(object, std::move(meta)));
  } else if (known.kind == "EndpointSlice") {
    out.emplace_back(decode_endpoint_slice(object, std::move(meta)));
  } else if (known.kind == "Endpoints") {
    std::ranges::move(decode_endpoints(object, meta), std::back_inserter(out));
  } else if (known.kind == "Secret") {
    out.emplace_back(decode_secret(object, std::move(meta)));
  } else if (known.kind == "ConfigMap") {
    out.emplace_back(decode_config_map(object, std::move(meta)));
  } else {
    out.emplace_back(Namespace{std::move(meta)});
  }
  return out;
}

// Old versions of kinds we read were given up by Kubernetes long ago; ignoring them in silence
// would look like a route that was forgotten.
bool is_old_version(const TypeName& type, const KnownKind& known) {
  const bool same_group = type.group == known.group && type.version.starts_with("v1");
  return same_group || (type.group == "extensions" && known.kind == "Ingress");
}

// Decodes one object that is not a list. `item` says that it is one of a list, where the type may
// be left to the list.
Decoded decode_one(const JsonField& object, std::string_view fallback_kind) {
  const TypeName type = type_of(object, fallback_kind);
  if (type.version.empty() && !fallback_kind.empty()) {
    const KnownKind* known = find_known(type, true);
    return known != nullptr ? decode_known(object, *known) : Decoded{};
  }
  if (const KnownKind* known = find_known(type, false); known != nullptr && type.version == "v1")
    return decode_known(object, *known);
  if (const KnownKind* known = find_known(type, true);
      known != nullptr && is_old_version(type, *known))
    object["apiVersion"].fail("this version of " + type.kind + " is not supported, only v1 is");
  return {};
}

bool is_list(const TypeName& type) {
  if (!type.kind.ends_with("List")) return false;
  if (type.kind == "List") return type.group.empty() && type.version == "v1";
  const TypeName item{type.group, type.version, type.kind.substr(0, type.kind.size() - 4)};
  return find_known(item, false) != nullptr;
}

Decoded decode_list(const JsonField& list, const TypeName& type) {
  Decoded out;
  const std::string item_kind =
      type.kind == "List" ? std::string() : type.kind.substr(0, type.kind.size() - 4);
  const JsonField items = list["items"];
  items.each([&](const JsonField& item) {
    if (!item.present()) {
      item.fail("not an object");
      return;
    }
    std::ranges::move(decode_one(item, item_kind), std::back_inserter(out));
  });
  return out;
}

}  // namespace

Result<Decoded> decode(const nlohmann::json& json, std::string_view fallback_kind) {
  DecodeErrors errors;
  const JsonField object(json, errors);
  if (!json.is_object()) return config_error(Errc::kParse, "not an object");
  const TypeName type = type_of(object, fallback_kind);
  if (type.kind.empty() && !errors.any()) object["kind"].fail("missing");
  if (type.version.empty() && fallback_kind.empty() && !errors.any())
    object["apiVersion"].fail("missing");
  Decoded out;
  if (!errors.any())
    out = is_list(type) ? decode_list(object, type) : decode_one(object, fallback_kind);
  if (errors.any()) return errors.to_error();
  return out;
}

}  // namespace cppx::controller
