#include <string>
#include <utility>

#include "controller/model/base64.h"
#include "controller/model/decode_parts.h"
#include "controller/model/json_field.h"
#include "controller/model/objects.h"

namespace cppx::controller {

Secret decode_secret(const JsonField& object, ObjectMeta meta) {
  Secret out;
  out.meta = std::move(meta);
  out.type = object["type"].text();
  if (out.type.empty()) out.type = "Opaque";
  const JsonField data = object["data"];
  data.each_member([&](const std::string& key, const JsonField& value) {
    auto decoded = decode_base64(value.text());
    if (!decoded) value.fail("not valid base64");
    out.data.insert_or_assign(key, std::move(decoded).value_or(std::string()));
  });
  // What an API server does with stringData, which manifests may have.
  const JsonField plain = object["stringData"];
  plain.each_member([&](const std::string& key, const JsonField& value) {
    out.data.insert_or_assign(key, value.text());
  });
  return out;
}

ConfigMap decode_config_map(const JsonField& object, ObjectMeta meta) {
  ConfigMap out;
  out.meta = std::move(meta);
  out.data = object["data"].string_map();
  return out;
}

}  // namespace cppx::controller
