#include "controller/kube/kubeconfig_file.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <exception>
#include <optional>
#include <string_view>
#include <utility>

#include "controller/kube/api_error.h"
#include "controller/model/base64.h"

namespace cppx::controller {
namespace {

/// A map of the file. (YAML::Node itself can be made of anything, also of an Error.)
struct Section {
  YAML::Node map;
};

/// One kubeconfig while it is read. yaml-cpp throws; read_kubeconfig() catches.
class Reader {
 public:
  explicit Reader(const std::filesystem::path& file) : file_(file) {}

  Result<KubeConfig> read(const std::string& text);

 private:
  [[nodiscard]] Error wrong(Errc code, std::string_view key, std::string_view why) const {
    return config_error(code, fmt::format("kubeconfig {}: {}: {}", file_.string(), key, why));
  }
  /// The entry `name` of a list like `clusters`, its `field` as a map.
  Result<Section> named(
      const YAML::Node& root, const char* list, std::string_view name, const char* field
  ) const;
  /// A scalar as text; empty when it is not there.
  Result<std::string> text(const YAML::Node& map, const char* name, const std::string& where) const;
  /// `<name>-data` or, failing that, the file `<name>`.
  Result<PemSource> pem(const YAML::Node& map, const char* name, const std::string& where) const;
  Result<void> read_cluster(const YAML::Node& cluster, const std::string& where);
  Result<void> read_user(const YAML::Node& user, const std::string& where);
  Result<void> refuse_unsupported(const YAML::Node& user, const std::string& where) const;
  [[nodiscard]] std::filesystem::path resolved(const std::string& name) const {
    return file_.parent_path() / name;
  }

  const std::filesystem::path& file_;
  KubeConfig config_;
};

Result<Section> Reader::named(
    const YAML::Node& root, const char* list, std::string_view name, const char* field
) const {
  const YAML::Node entries = root[list];
  if (entries && !entries.IsSequence() && !entries.IsNull())
    return wrong(Errc::kParse, list, "must be a list");
  if (entries && entries.IsSequence()) {
    for (const auto& entry : entries) {
      if (!entry.IsMap() || !entry["name"] || !entry["name"].IsScalar()) continue;
      if (entry["name"].Scalar() != name) continue;
      const YAML::Node value = entry[field];
      if (value && value.IsMap()) return Section{value};
      // A user without any credentials is written as `user: {}` or left out.
      if (!value || value.IsNull()) return Section{YAML::Node(YAML::NodeType::Map)};
      return wrong(Errc::kParse, fmt::format("{}[{}].{}", list, name, field), "must be a map");
    }
  }
  return wrong(Errc::kNotFound, list, fmt::format("has no entry named \"{}\"", name));
}

Result<std::string> Reader::text(const YAML::Node& map, const char* name, const std::string& where)
    const {
  const YAML::Node value = map[name];
  if (!value || value.IsNull()) return std::string();
  if (!value.IsScalar()) return wrong(Errc::kParse, where + name, "must be a string");
  return value.Scalar();
}

Result<PemSource> Reader::pem(const YAML::Node& map, const char* name, const std::string& where)
    const {
  PemSource source;
  const std::string data_name = std::string(name) + "-data";
  const auto data = text(map, data_name.c_str(), where);
  if (!data) return data.error();
  if (!data->empty()) {
    auto decoded = decode_base64(*data);
    if (!decoded) return wrong(Errc::kParse, where + data_name, "is not valid base64");
    source.text = std::move(*decoded);
    source.key = fmt::format("kubeconfig {}: {}{}", file_.string(), where, data_name);
    return source;
  }
  const auto name_of_file = text(map, name, where);
  if (!name_of_file) return name_of_file.error();
  if (!name_of_file->empty()) source.file = resolved(*name_of_file);
  source.key = fmt::format("kubeconfig {}: {}{}", file_.string(), where, name);
  return source;
}

Result<void> Reader::read_cluster(const YAML::Node& cluster, const std::string& where) {
  const auto server = text(cluster, "server", where);
  if (!server) return server.error();
  if (server->empty()) return wrong(Errc::kNotFound, where + "server", "is missing");
  auto url = parse_server_url(*server);
  if (!url) return wrong(Errc::kInvalidArgument, where + "server", url.error().detail);
  config_.server = std::move(*url);

  if (cluster["proxy-url"] && !cluster["proxy-url"].IsNull())
    return wrong(Errc::kUnsupported, where + "proxy-url", "proxies are not supported");
  auto server_name = text(cluster, "tls-server-name", where);
  if (!server_name) return server_name.error();
  config_.tls_server_name = std::move(*server_name);

  const auto insecure = text(cluster, "insecure-skip-tls-verify", where);
  if (!insecure) return insecure.error();
  if (!insecure->empty() && *insecure != "true" && *insecure != "false")
    return wrong(Errc::kParse, where + "insecure-skip-tls-verify", "must be true or false");
  config_.insecure_skip_tls_verify = *insecure == "true";

  auto authority = pem(cluster, "certificate-authority", where);
  if (!authority) return authority.error();
  config_.certificate_authority = std::move(*authority);
  if (config_.insecure_skip_tls_verify && !config_.certificate_authority.empty())
    return wrong(
        Errc::kInvalidArgument, where + "insecure-skip-tls-verify",
        "cannot be true when a certificate-authority is given"
    );
  return {};
}

Result<void> Reader::refuse_unsupported(const YAML::Node& user, const std::string& where) const {
  struct Refused {
    const char* key;
    const char* why;
  };
  static constexpr Refused kRefused[] = {
      {"exec",
       "credential plugins are not supported: use a token, a tokenFile or a client certificate"},
      {"auth-provider",
       "auth provider plugins are not supported: use a token, a tokenFile or a client certificate"},
      {"username", "basic authentication is not supported: use a token or a client certificate"},
      {"password", "basic authentication is not supported: use a token or a client certificate"},
      {"as", "impersonation is not supported"},
  };
  for (const auto& [key, why] : kRefused)
    if (user[key] && !user[key].IsNull()) return wrong(Errc::kUnsupported, where + key, why);
  return {};
}

Result<void> Reader::read_user(const YAML::Node& user, const std::string& where) {
  if (auto refused = refuse_unsupported(user, where); !refused) return refused.error();
  auto token = text(user, "token", where);
  if (!token) return token.error();
  config_.token = std::move(*token);
  const auto token_file = text(user, "tokenFile", where);
  if (!token_file) return token_file.error();
  // As kubectl does it: a token file wins over a token.
  if (!token_file->empty()) {
    config_.token_file = resolved(*token_file);
    config_.token.clear();
  }

  auto certificate = pem(user, "client-certificate", where);
  if (!certificate) return certificate.error();
  auto key = pem(user, "client-key", where);
  if (!key) return key.error();
  if (certificate->empty() != key->empty())
    return wrong(
        Errc::kInvalidArgument, where + (key->empty() ? "client-key" : "client-certificate"),
        "is missing: a client certificate needs its key and the other way round"
    );
  config_.client_certificate = std::move(*certificate);
  config_.client_key = std::move(*key);
  return {};
}

Result<KubeConfig> Reader::read(const std::string& content) {
  const YAML::Node root = YAML::Load(content);
  if (!root.IsMap())
    return config_error(Errc::kParse, fmt::format("kubeconfig {}: not a map", file_.string()));
  const auto current = text(root, "current-context", "");
  if (!current) return current.error();
  if (current->empty()) return wrong(Errc::kNotFound, "current-context", "is not set");

  const auto context = named(root, "contexts", *current, "context");
  if (!context) return context.error();
  const std::string where = fmt::format("contexts[{}].context.", *current);
  const auto cluster_name = text(context->map, "cluster", where);
  if (!cluster_name) return cluster_name.error();
  const auto user_name = text(context->map, "user", where);
  if (!user_name) return user_name.error();
  auto ns = text(context->map, "namespace", where);
  if (!ns) return ns.error();
  config_.default_namespace = std::move(*ns);
  config_.origin = fmt::format("kubeconfig {}, context {}", file_.string(), *current);

  const auto cluster = named(root, "clusters", *cluster_name, "cluster");
  if (!cluster) return cluster.error();
  auto cluster_read =
      read_cluster(cluster->map, fmt::format("clusters[{}].cluster.", *cluster_name));
  if (!cluster_read) return cluster_read.error();
  if (user_name->empty()) return config_;
  const auto user = named(root, "users", *user_name, "user");
  if (!user) return user.error();
  auto user_read = read_user(user->map, fmt::format("users[{}].user.", *user_name));
  if (!user_read) return user_read.error();
  return config_;
}

}  // namespace

Result<KubeConfig> read_kubeconfig(const std::filesystem::path& file) {
  const auto text = read_small_file(file);
  if (!text) return config_error(text.error().code, "kubeconfig " + text.error().detail);
  try {
    return Reader(file).read(*text);
  } catch (const YAML::Exception& error) {
    return config_error(
        Errc::kParse, fmt::format("kubeconfig {}: {}", file.string(), one_line(error.what()))
    );
  }
}

}  // namespace cppx::controller
