#include "app/flags.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <utility>

#include <CLI/CLI.hpp>

#include "app/duty_flags.h"
#include "app/flag_values.h"
#include "base/text.h"
#include "controller/kube/label_selector.h"

namespace cppx::app {
namespace {

/// What CLI11 fills in before it is checked and put into Flags.
struct RawFlags {
  std::vector<std::string> manifests;
  std::string kubeconfig;
  std::string apiserver_host;
  std::string certificate_authority;
  std::string configmap;
  std::string default_ssl_certificate;
  std::string default_backend_service;
  std::vector<std::string> watch_namespaces;
  std::string watch_namespace_selector;
  std::string snapshot_cache;
  std::string snapshot_cache_key_file;
  std::string webhook_certificate;
  std::string webhook_key;
  std::string webhook_service;
  std::int64_t shutdown_grace_period = 0;
  std::int64_t worker_shutdown_timeout = 240;
  std::string log_level = "info";
  std::string log_format = "text";
  std::vector<std::string> check_paths;
  RawDutyFlags duties;
};

void add_source_flags(CLI::App& app, RawFlags& raw) {
  const auto group = "Where configuration comes from";
  app.add_option(
         "--manifests", raw.manifests,
         "File or folder of manifests (YAML or JSON) to serve instead of a cluster; may be repeated"
  )
      ->group(group)
      ->type_name("PATH")
      ->allow_extra_args(false);
  app.add_option(
         "--kubeconfig", raw.kubeconfig,
         "kubeconfig file; without it and without --manifests: the cluster this pod runs in"
  )
      ->group(group)
      ->type_name("FILE");
  app.add_option(
         "--apiserver-host", raw.apiserver_host,
         "URL of the API server, instead of the one configured"
  )
      ->group(group)
      ->type_name("URL");
  app.add_option(
         "--certificate-authority", raw.certificate_authority,
         "CA certificates (PEM) the API server is checked against"
  )
      ->group(group)
      ->type_name("FILE");
  app.add_option(
         "--watch-namespace", raw.watch_namespaces,
         "Namespaces to watch, comma separated; may be repeated; empty: all"
  )
      ->group(group)
      ->type_name("NAMES")
      ->allow_extra_args(false);
  app.add_option(
         "--watch-namespace-selector", raw.watch_namespace_selector,
         "Label selector of the namespaces to watch, instead of their names"
  )
      ->group(group)
      ->type_name("SELECTOR");
}

void add_cache_flags(CLI::App& app, RawFlags& raw) {
  const auto group = "Where configuration comes from";
  app.add_option(
         "--snapshot-cache", raw.snapshot_cache,
         "Folder that keeps what was last known of the cluster, for starts without an API server"
  )
      ->group(group)
      ->type_name("DIR");
  app.add_option(
         "--snapshot-cache-key-file", raw.snapshot_cache_key_file,
         "Key of 32 bytes, or a longer text, to encrypt Secrets with in --snapshot-cache; without, "
         "none are kept"
  )
      ->group(group)
      ->type_name("FILE");
}

void add_ingress_flags(CLI::App& app, RawFlags& raw, controller::TranslateOptions& translate) {
  const auto group = "Which Ingresses are served, and how";
  auto& classes = translate.classes;
  app.add_option(
         "--ingress-class", classes.ingress_class,
         "Class name of Ingresses with the old kubernetes.io/ingress.class annotation"
  )
      ->group(group)
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option(
         "--controller-class", classes.controller_class,
         "spec.controller of the IngressClasses to serve"
  )
      ->group(group)
      ->type_name("NAME")
      ->capture_default_str();
  app.add_flag(
         "--ingress-class-by-name{true}", classes.ingress_class_by_name,
         "Also serve the IngressClass named as --ingress-class [false]"
  )
      ->group(group);
  app.add_flag(
         "--watch-ingress-without-class{true}", classes.watch_ingress_without_class,
         "Also serve Ingresses without any class [false]"
  )
      ->group(group);
  app.add_option("--configmap", raw.configmap, "ConfigMap with global settings")
      ->group(group)
      ->type_name("NS/NAME");
  app.add_option(
         "--default-ssl-certificate", raw.default_ssl_certificate,
         "TLS Secret for hosts without one of their own"
  )
      ->group(group)
      ->type_name("NS/NAME");
  app.add_option(
         "--default-backend-service", raw.default_backend_service,
         "Service for requests that no rule takes; its first port is used"
  )
      ->group(group)
      ->type_name("NS/NAME");
  app.add_flag(
         "--disable-catch-all{true}", translate.disable_catch_all,
         "Refuse Ingresses with spec.defaultBackend [false]"
  )
      ->group(group);
  app.add_flag(
         "--disable-svc-external-name{true}", translate.disable_svc_external_name,
         "Refuse ExternalName Services [false]"
  )
      ->group(group);
  app.add_option(
         "--annotations-prefix", translate.annotations_prefix,
         "Prefix of the annotations that are read"
  )
      ->group(group)
      ->type_name("PREFIX")
      ->capture_default_str();
}

void add_server_flags(CLI::App& app, RawFlags& raw, Flags& flags) {
  const auto group = "Listening and running";
  app.add_option(
         "--bind-address", flags.bind_address, "Address to serve on; empty: all, IPv6 and IPv4"
  )
      ->group(group)
      ->type_name("IP");
  app.add_option("--http-port", flags.http_port, "Port for HTTP; 0: any free one")
      ->group(group)
      ->type_name("PORT")
      ->capture_default_str();
  app.add_option("--https-port", flags.https_port, "Port for HTTPS; 0: any free one")
      ->group(group)
      ->type_name("PORT")
      ->capture_default_str();
  app.add_option(
         "--healthz-host", flags.healthz_host,
         "Address of the health and metrics server; empty: that of --bind-address"
  )
      ->group(group)
      ->type_name("IP");
  app.add_option(
         "--healthz-port", flags.healthz_port,
         "Port of the health and metrics server; 0: any free one"
  )
      ->group(group)
      ->type_name("PORT")
      ->capture_default_str();
  app.add_option(
         "--health-check-path", flags.health_check_path, "Path of the health check on that port"
  )
      ->group(group)
      ->type_name("PATH")
      ->capture_default_str();
  app.add_option(
         "--workers", flags.workers, "Worker threads; 0: one for each CPU the process may use"
  )
      ->group(group)
      ->type_name("N")
      ->capture_default_str();
  app.add_option(
         "--shutdown-grace-period", raw.shutdown_grace_period,
         "Seconds between SIGTERM (not ready any more) and the end of new connections"
  )
      ->group(group)
      ->type_name("SECONDS")
      ->check(CLI::Range(0, 86400))
      ->capture_default_str();
  app.add_option(
         "--worker-shutdown-timeout", raw.worker_shutdown_timeout,
         "Seconds that requests in progress have to end after that"
  )
      ->group(group)
      ->type_name("SECONDS")
      ->check(CLI::Range(0, 86400))
      ->capture_default_str();
  app.add_option(
         "--memory-limit", flags.memory_limit_bytes,
         "Memory near which nothing new is begun (512Mi, 2G); 0: 80 % of the cgroup's limit"
  )
      ->group(group)
      ->type_name("BYTES")
      ->check(CLI::Validator(
          [](const std::string& text) {
            return text.starts_with('-') ? std::string("'" + text + "' is less than nothing")
                                         : std::string();
          },
          ""
      ))
      ->transform(CLI::AsSizeValue(true));
  app.add_option(
         "--takeover", flags.takeover,
         "Unix socket: a cppx that serves there hands its listening sockets over, and the next "
         "cppx "
         "can ask this one"
  )
      ->group(group)
      ->type_name("PATH");
  app.add_option("--log-level", raw.log_level, "Least level that is logged")
      ->group(group)
      ->type_name("LEVEL")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  app.add_option("--log-format", raw.log_format, "Form of the log on standard error")
      ->group(group)
      ->type_name("FORM")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
}

void add_webhook_flags(CLI::App& app, RawFlags& raw, controller::WebhookOptions& webhook) {
  const auto group = "Validating webhook";
  app.add_option(
         "--validating-webhook", webhook.address,
         "Address and port (:8443) for reviews of Ingresses by API servers; empty: none"
  )
      ->group(group)
      ->type_name("ADDRESS");
  app.add_option(
         "--validating-webhook-certificate", raw.webhook_certificate,
         "Its certificate (PEM), read again as it changes"
  )
      ->group(group)
      ->type_name("FILE");
  app.add_option(
         "--validating-webhook-key", raw.webhook_key, "The private key of that certificate (PEM)"
  )
      ->group(group)
      ->type_name("FILE");
  app.add_option(
         "--validating-webhook-service", raw.webhook_service,
         "Without those files: the Service that the certificate made by cppx is for"
  )
      ->group(group)
      ->type_name("NS/NAME");
  app.add_option(
         "--validating-webhook-configuration", webhook.configuration,
         "ValidatingWebhookConfiguration whose caBundle is kept right for that certificate"
  )
      ->group(group)
      ->type_name("NAME");
}

/// Flags that manifests written for ingress-nginx often carry and that have nothing to change here.
void add_ignored_flags(CLI::App& app, std::vector<std::string>& ignored) {
  for (const char* name :
       {"--logtostderr", "--alsologtostderr", "--profiling", "--disable-full-test"}) {
    app.add_flag(name)->group("")->each([&ignored, name](const std::string&) {
      ignored.emplace_back(name);
    });
  }
  for (const char* name :
       {"--v", "--stderrthreshold", "--vmodule", "--profiler-port", "--status-port",
        "--stream-port", "--ssl-passthrough-proxy-port", "--sync-period", "--sync-rate-limit",
        "--dynamic-configuration-retries", "--internal-logger-address"}) {
    app.add_option_function<std::string>(
           name, [&ignored, name](const std::string&) { ignored.emplace_back(name); }
    )->group("");
  }
}

/// The label of a DNS name (RFC 1123), which names of namespaces are.
bool is_namespace(std::string_view text) {
  constexpr std::size_t kLongest = 63;
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789-";
  return text.size() <= kLongest && text.find_first_not_of(kAllowed) == std::string_view::npos &&
         !text.starts_with('-') && !text.ends_with('-');
}

void fill_namespaces(controller::ControllerOptions& options, const RawFlags& raw) {
  for (const std::string& list : raw.watch_namespaces)
    for (const auto name : split_list(list)) {
      if (!is_namespace(name))
        throw CLI::ValidationError(
            "--watch-namespace", "'" + std::string(name) + "' is not the name of a namespace"
        );
      options.watch_namespaces.emplace_back(name);
    }
  options.watch_namespace_selector = trim(raw.watch_namespace_selector);
  if (options.watch_namespace_selector.empty()) return;
  if (!options.watch_namespaces.empty())
    throw CLI::ValidationError(
        "--watch-namespace-selector", "cannot be used together with --watch-namespace"
    );
  const auto checked = controller::check_label_selector(options.watch_namespace_selector);
  if (!checked) throw CLI::ValidationError("--watch-namespace-selector", checked.error().detail);
}

void fill_cache(controller::ControllerOptions& options, const RawFlags& raw) {
  if (!raw.snapshot_cache.empty()) options.snapshot_cache = raw.snapshot_cache;
  if (!raw.snapshot_cache_key_file.empty())
    options.snapshot_cache_key_file = raw.snapshot_cache_key_file;
  if (options.snapshot_cache_key_file && !options.snapshot_cache)
    throw CLI::ValidationError(
        "--snapshot-cache-key-file", "is of no use without --snapshot-cache"
    );
  if (options.snapshot_cache && !options.manifests.empty())
    throw CLI::ValidationError("--snapshot-cache", "cannot be used together with --manifests");
}

/// What `explain` and `routes` have in common: whom to ask, and how to answer.
CLI::App* add_query_command(
    CLI::App& app, const char* name, const char* what, Flags& flags, Command command
) {
  auto* sub = app.add_subcommand(name, what);
  sub->add_option(
         "--from", flags.explain.from,
         "Admin address of a running cppx (http://127.0.0.1:10254), instead of manifests or a "
         "cluster"
  )
      ->type_name("URL");
  sub->add_option_function<std::string>(
         "-o,--output", [&flags](const std::string& form) { flags.explain.json = form == "json"; },
         "Form of the answer: text or json [text]"
  )
      ->type_name("FORM")
      ->check(CLI::IsMember({"text", "json"}));
  sub->final_callback([&flags, command] { flags.command = command; });
  return sub;
}

void add_explain_commands(CLI::App& app, Flags& flags) {
  auto& words = flags.explain.words;
  auto* explain = add_query_command(
      app, "explain", "Say what would serve a request, and why nothing else does", flags,
      Command::kExplain
  );
  explain->add_option("url", words.url, "https://host/path?query")->required()->type_name("URL");
  explain->add_option("-H,--header", words.fields, "Header field 'Name: value'; may be repeated")
      ->type_name("FIELD")
      ->allow_extra_args(false);
  explain->add_option("-X,--request", words.method, "Method [GET]")->type_name("METHOD");
  explain->add_option("--client-ip", words.client_ip, "Whom it comes from [127.0.0.1]")
      ->type_name("IP");
  add_query_command(
      app, "routes", "List what is served: hosts, paths, backends, certificates", flags,
      Command::kRoutes
  );
}

void fill_webhook(Flags& flags, const RawFlags& raw) {
  auto& webhook = flags.webhook;
  const auto& options = flags.controller;
  if (!raw.webhook_certificate.empty()) webhook.certificate = raw.webhook_certificate;
  if (!raw.webhook_key.empty()) webhook.key = raw.webhook_key;
  webhook.service = object_key("--validating-webhook-service", raw.webhook_service);
  webhook.namespaces = options.watch_namespaces;
  webhook.access.kubeconfig = options.kubeconfig;
  webhook.access.apiserver_host = options.apiserver_host;
  webhook.access.certificate_authority = options.certificate_authority;
}

void fill(Flags& flags, const RawFlags& raw) {
  auto& options = flags.controller;
  const auto& paths = flags.command == Command::kCheck ? raw.check_paths : raw.manifests;
  options.manifests.assign(paths.begin(), paths.end());
  if (!raw.kubeconfig.empty()) options.kubeconfig = raw.kubeconfig;
  if (!raw.apiserver_host.empty()) options.apiserver_host = raw.apiserver_host;
  if (!raw.certificate_authority.empty()) options.certificate_authority = raw.certificate_authority;
  fill_namespaces(options, raw);
  fill_cache(options, raw);
  options.translate.config_map = object_key("--configmap", raw.configmap);
  options.translate.default_ssl_certificate =
      object_key("--default-ssl-certificate", raw.default_ssl_certificate);
  options.translate.default_backend_service =
      object_key("--default-backend-service", raw.default_backend_service);
  fill_duties(options.duties, raw.duties);
  fill_webhook(flags, raw);
  flags.shutdown_grace_period = std::chrono::seconds(raw.shutdown_grace_period);
  flags.worker_shutdown_timeout = std::chrono::seconds(raw.worker_shutdown_timeout);
  static const std::map<std::string, log::Level> kLevels{
      {"debug", log::Level::kDebug},
      {"info", log::Level::kInfo},
      {"warning", log::Level::kWarning},
      {"error", log::Level::kError}
  };
  flags.log_level = kLevels.at(raw.log_level);
  flags.log_json = raw.log_format == "json";
  if (!options.manifests.empty() && options.kubeconfig)
    throw CLI::ValidationError("--manifests", "cannot be used together with --kubeconfig");
}

}  // namespace

ParsedFlags parse_flags(int argc, const char* const* argv) {
  Flags flags;
  RawFlags raw;
  CLI::App app{"cppx: a Kubernetes ingress, controller and proxy in one program", "cppx"};
  app.set_version_flag("--version", std::string("cppx ") + CPPX_VERSION);
  app.require_subcommand(0, 1);
  app.fallthrough();
  add_source_flags(app, raw);
  add_cache_flags(app, raw);
  add_ingress_flags(app, raw, flags.controller.translate);
  add_duty_flags(app, raw.duties, flags.controller.duties);
  add_server_flags(app, raw, flags);
  add_webhook_flags(app, raw, flags.webhook);
  add_ignored_flags(app, flags.ignored);
  app.add_subcommand("run", "Serve (what is done without a command)");
  const auto* demo = app.add_subcommand(
      "demo", "Serve the tutorial on ports 8080 and 8443, with backends of its own"
  );
  auto* check = app.add_subcommand(
      "check", "Read manifests, say what is wrong with them, and print the routes"
  );
  check->add_option("paths", raw.check_paths, "Files and folders")->required()->type_name("PATH");
  add_explain_commands(app, flags);
  try {
    app.parse(argc, argv);
    if (demo->parsed()) flags.command = Command::kDemo;
    if (check->parsed()) flags.command = Command::kCheck;
    fill(flags, raw);
    if (flags.command == Command::kDemo) {
      if (app.count("--http-port") == 0) flags.http_port = 8080;
      if (app.count("--https-port") == 0) flags.https_port = 8443;
    }
  } catch (const CLI::Success& done) {
    return {.flags = std::nullopt, .exit_code = app.exit(done)};
  } catch (const CLI::Error& error) {
    std::fprintf(stderr, "cppx: %s (see 'cppx --help')\n", error.what());
    return {.flags = std::nullopt, .exit_code = kErrorOfUse};
  }
  return {.flags = std::move(flags), .exit_code = 0};
}

}  // namespace cppx::app
