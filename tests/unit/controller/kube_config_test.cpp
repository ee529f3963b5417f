#include "controller/kube/kube_config.h"

#include <fmt/format.h>

#include <string>

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/controller/kube_support.h"

namespace cppx::controller::test {
namespace {

/// A kubeconfig with these lines for its cluster and its user.
std::string kubeconfig(std::string_view cluster, std::string_view user) {
  return fmt::format(
      "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
      "contexts:\n- name: other\n  context: {{cluster: x, user: y}}\n"
      "- name: c\n  context: {{cluster: k, user: u, namespace: shop}}\n"
      "clusters:\n- name: k\n  cluster: {{{}}}\n"
      "users:\n- name: u\n  user: {{{}}}\n",
      cluster, user
  );
}

Result<KubeConfig> load(const std::filesystem::path& file) {
  KubeConfigOptions options;
  options.kubeconfig = file;
  return load_kube_config(options);
}

std::string error_of(const Result<KubeConfig>& result) {
  return result ? "no error" : result.error().detail;
}

TEST_CASE("KubeConfig: a token and authority data", "[controller]") {
  const TemporaryFolder folder;
  const auto config = load(folder.write(
      "config", kubeconfig(
                    "server: 'https://10.1.2.3:6443/', certificate-authority-data: Y2E=, "
                    "tls-server-name: kubernetes",
                    "token: secret"
                )
  ));
  REQUIRE(config);
  CHECK(config->server.to_string() == "https://10.1.2.3:6443");
  CHECK(config->certificate_authority.text == "ca");
  CHECK(config->tls_server_name == "kubernetes");
  CHECK(config->token == "secret");
  CHECK(config->default_namespace == "shop");
  CHECK(config->origin.ends_with("config, context c"));
  CHECK_FALSE(config->insecure_skip_tls_verify);
}

TEST_CASE("KubeConfig: files are found beside the kubeconfig", "[controller]") {
  const TemporaryFolder folder;
  const auto config = load(folder.write(
      "config",
      kubeconfig(
          "server: 'https://[::1]', certificate-authority: pki/ca.crt",
          "client-certificate: /abs/client.crt, client-key: client.key, tokenFile: token, "
          "token: loses"
      )
  ));
  REQUIRE(config);
  CHECK(config->server.host == "::1");
  CHECK(config->server.authority() == "[::1]:443");
  CHECK(config->certificate_authority.file == folder.path() / "pki/ca.crt");
  CHECK(config->client_certificate.file == "/abs/client.crt");
  CHECK(config->client_key.file == folder.path() / "client.key");
  CHECK(config->token_file == folder.path() / "token");
  CHECK(config->token.empty());
}

TEST_CASE("KubeConfig: JSON is YAML too, and a user may have no credentials", "[controller]") {
  const TemporaryFolder folder;
  const auto config = load(folder.write(
      "config",
      R"({"current-context":"c","contexts":[{"name":"c","context":{"cluster":"k","user":"u"}}],
          "clusters":[{"name":"k","cluster":{"server":"http://localhost:8080/prefix"}}],
          "users":[{"name":"u"}]})"
  ));
  REQUIRE(config);
  CHECK(config->server.path == "/prefix");
  CHECK_FALSE(config->server.tls);
  CHECK(config->token.empty());
}

TEST_CASE("KubeConfig: what is wrong with it is said in one line", "[controller]") {
  const TemporaryFolder folder;
  struct Case {
    std::string text;
    std::string expected;  ///< After "kubeconfig <file>: ".
    Errc code;
  };
  const std::string server = "server: 'https://h'";
  const Case cases[] = {
      {"", "not a map", Errc::kParse},
      {"- a", "not a map", Errc::kParse},
      {"a: [", "yaml-cpp: error at line", Errc::kParse},
      {"kind: Config", "current-context: is not set", Errc::kNotFound},
      {"current-context: [a]", "current-context: must be a string", Errc::kParse},
      {"current-context: a", "contexts: has no entry named \"a\"", Errc::kNotFound},
      {"current-context: a\ncontexts: 7", "contexts: must be a list", Errc::kParse},
      {"current-context: a\ncontexts: [{name: a, context: 1}]",
       "contexts[a].context: must be a map", Errc::kParse},
      {"current-context: a\ncontexts: [{name: a, context: {cluster: z}}]",
       "clusters: has no entry named \"z\"", Errc::kNotFound},
      {kubeconfig("", ""), "clusters[k].cluster.server: is missing", Errc::kNotFound},
      {kubeconfig("server: '10.0.0.1:6443'", ""),
       "clusters[k].cluster.server: \"10.0.0.1:6443\" is not an http:// or https:// URL",
       Errc::kInvalidArgument},
      {kubeconfig(server + ", proxy-url: 'http://p'", ""),
       "clusters[k].cluster.proxy-url: proxies are not supported", Errc::kUnsupported},
      {kubeconfig(server + ", insecure-skip-tls-verify: maybe", ""),
       "clusters[k].cluster.insecure-skip-tls-verify: must be true or false", Errc::kParse},
      {kubeconfig(server + ", insecure-skip-tls-verify: true, certificate-authority: a", ""),
       "clusters[k].cluster.insecure-skip-tls-verify: cannot be true when", Errc::kInvalidArgument},
      {kubeconfig(server + ", certificate-authority-data: '%%'", ""),
       "clusters[k].cluster.certificate-authority-data: is not valid base64", Errc::kParse},
      {kubeconfig(server, "exec: {command: aws}"),
       "users[u].user.exec: credential plugins are not supported", Errc::kUnsupported},
      {kubeconfig(server, "auth-provider: {name: gcp}"),
       "users[u].user.auth-provider: auth provider plugins are not supported", Errc::kUnsupported},
      {kubeconfig(server, "username: bob"),
       "users[u].user.username: basic authentication is not supported", Errc::kUnsupported},
      {kubeconfig(server, "as: bob"), "users[u].user.as: impersonation is not supported",
       Errc::kUnsupported},
      {kubeconfig(server, "token: {a: b}"), "users[u].user.token: must be a string", Errc::kParse},
      {kubeconfig(server, "client-certificate: a"), "users[u].user.client-key: is missing",
       Errc::kInvalidArgument},
      {kubeconfig(server, "client-key: a"), "users[u].user.client-certificate: is missing",
       Errc::kInvalidArgument},
  };
  for (const Case& test : cases) {
    const auto file = folder.write("config", test.text);
    const auto config = load(file);
    CAPTURE(test.text);
    REQUIRE_FALSE(config);
    const std::string prefix = "kubeconfig " + file.string() + ": ";
    CAPTURE(config.error().detail);
    CHECK(config.error().detail.starts_with(prefix + test.expected));
    CHECK(config.error().detail.find('\n') == std::string::npos);
    CHECK(config.error().code == test.code);
    CHECK(config.error().source == ErrorSource::kConfig);
  }
}

TEST_CASE("KubeConfig: a file that cannot be read is named", "[controller]") {
  const TemporaryFolder folder;
  const std::string path = folder.path().string();
  CHECK(
      error_of(load(folder.path() / "no")) ==
      "kubeconfig " + path + "/no: No such file or directory"
  );
  CHECK(error_of(load(folder.path())) == "kubeconfig " + path + ": is a folder");
}

TEST_CASE("KubeConfig: flags replace server and authority", "[controller]") {
  const TemporaryFolder folder;
  KubeConfigOptions options;
  options.kubeconfig = folder.write(
      "config", kubeconfig("server: 'https://old', insecure-skip-tls-verify: true", "token: t")
  );
  options.apiserver_host = "https://new:1234";
  options.certificate_authority = "/ca.crt";
  const auto config = load_kube_config(options);
  REQUIRE(config);
  CHECK(config->server.to_string() == "https://new:1234");
  CHECK(config->certificate_authority.file == "/ca.crt");
  CHECK_FALSE(config->insecure_skip_tls_verify);
  CHECK(config->token == "t");
  options.apiserver_host = "new:1234";
  CHECK(
      error_of(load_kube_config(options)) ==
      "--apiserver-host: \"new:1234\" is not an http:// or https:// URL"
  );
}

TEST_CASE("KubeConfig: an API server alone is used without credentials", "[controller]") {
  KubeConfigOptions options;
  options.apiserver_host = "http://127.0.0.1:8080";
  options.environment = [](const char*) { return std::nullopt; };
  const auto config = load_kube_config(options);
  REQUIRE(config);
  CHECK(config->token.empty());
  CHECK(config->token_file.empty());
  CHECK(config->server.port == 8080);
}

TEST_CASE("KubeConfig: in a cluster", "[controller]") {
  const TemporaryFolder folder;
  std::map<std::string, std::string> variables = {
      {"KUBERNETES_SERVICE_HOST", "fd00::1"}, {"KUBERNETES_SERVICE_PORT", "6443"}
  };
  KubeConfigOptions options;
  options.service_account = folder.path();
  options.environment = [&variables](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  };

  CHECK(
      error_of(load_kube_config(options)) ==
      "in-cluster configuration: service account token: " + folder.path().string() +
          "/token: No such file or directory"
  );
  folder.write("token", "abc\n");
  folder.write("namespace", "ingress\n");
  const auto config = load_kube_config(options);
  REQUIRE(config);
  CHECK(config->server.to_string() == "https://[fd00::1]:6443");
  CHECK(config->token_file == folder.path() / "token");
  CHECK(config->certificate_authority.file == folder.path() / "ca.crt");
  CHECK(config->default_namespace == "ingress");
  CHECK(config->origin == "in-cluster");

  variables["KUBERNETES_SERVICE_PORT"] = "http";
  CHECK(
      error_of(load_kube_config(options)) ==
      "environment variable KUBERNETES_SERVICE_PORT: \"http\" is not a port"
  );
  variables.clear();
  CHECK(error_of(load_kube_config(options)).starts_with("not in a cluster ("));
}

TEST_CASE("ServerUrl: what is one and what is not", "[controller]") {
  CHECK(parse_server_url("https://a.example")->to_string() == "https://a.example:443");
  CHECK(parse_server_url(" HTTP://a:1/x/ ")->to_string() == "http://a:1/x");
  CHECK(parse_server_url("https://[fe80::1]:2")->authority() == "[fe80::1]:2");
  for (const char* text :
       {"", "a", "https://", "https://:1", "https://a:", "https://a:0", "https://a:65536",
        "https://a:b", "https://[::1", "https://[::1]x", "https://u@a", "https://a?b",
        "https://a#b", "ftp://a", "https://a b", "https://::1", "https:///x", "https://a\"b"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_server_url(text));
  }
}

}  // namespace
}  // namespace cppx::controller::test
