// The load generator for what wrk and h2load do not do. Closed loop: each of the connections has
// one request in progress, one thread.
//
//   load MODE port=N [name=value...]
//     connect     a new connection for each request      (tls, version, resume: TLS handshakes)
//     websocket   messages that are echoed on open connections
//     idle        opens all connections, one request on each, and keeps them until standard input
//     ends
//   connections=N seconds=N host=NAME path=/PATH tls=0|1 version=1.2|1.3 resume=0|1 bytes=N
//
// Prints one line of JSON. A resumed handshake that was a full one is an error; the first
// connection of each slot, which has nothing to resume, is not counted.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/native/client.h"
#include "bench/native/sockets.h"

namespace {

using cppx::bench::Client;
using cppx::bench::now;
using cppx::bench::Settings;

// Connections of mode `idle` that are being opened at one time: the queue of a listener is finite.
constexpr std::size_t kOpening = 32;

struct Load {
  std::string mode;
  std::size_t connections = 1;
  double seconds = 1;
  Settings settings;
};

struct Result {
  std::vector<double> latencies;  // seconds
  std::size_t errors = 0;
  std::string error;
  double seconds = 0;
};

int on_new_session(SSL* ssl, SSL_SESSION* session) {
  reinterpret_cast<Client*>(SSL_get_app_data(ssl))->keep_session(session);
  return 1;
}

SSL_CTX* make_context(const Settings& settings) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, on_new_session);
  if (settings.tls_version != 0) {
    SSL_CTX_set_min_proto_version(context, settings.tls_version);
    SSL_CTX_set_max_proto_version(context, settings.tls_version);
  }
  return context;
}

class Run {
 public:
  explicit Run(const Load& load)
      : load_(load),
        epoll_(must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
        context_(make_context(load.settings)),
        first_(load.connections, true) {
    for (std::uint32_t i = 0; i < load.connections; ++i)
      clients_.push_back(std::make_unique<Client>(load.settings, context_, epoll_, i));
  }
  ~Run() {
    clients_.clear();
    SSL_CTX_free(context_);
    close(epoll_);
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  Result loop() {
    const double begin = now();
    for (const auto& client : clients_) client->start(load_.mode == "websocket");
    while (now() < begin + load_.seconds && result_.errors < load_.connections) poll(100);
    result_.seconds = now() - begin;
    return result_;
  }

  Result open_idle() {
    const double begin = now();
    idle_ = true;
    for (opened_ = 0; opened_ < std::min(kOpening, clients_.size());) clients_[opened_++]->start();
    while (result_.latencies.size() + result_.errors < clients_.size() && now() < begin + 120)
      poll(100);
    result_.seconds = now() - begin;
    return result_;
  }

 private:
  void poll(int milliseconds) {
    epoll_event events[256];
    const int count = epoll_wait(epoll_, events, 256, milliseconds);
    for (int i = 0; i < count; ++i) {
      auto& client = *static_cast<Client*>(events[i].data.ptr);
      take(client, client.handle_event());
    }
  }

  void take(Client& client, Client::Progress progress) {
    if (progress == Client::Progress::kBusy) return;
    if (progress == Client::Progress::kFailed) {
      fail(client.error());
      if (idle_) open_next();
      return;
    }
    if (idle_ || !is_first(client)) {
      if (load_.settings.resume && !client.resumed())
        fail("a full handshake instead of a resumed one");
      else
        result_.latencies.push_back(now() - client.started());
    }
    if (idle_) {
      open_next();
    } else if (load_.mode == "websocket") {
      take(client, client.echo());
    } else {
      client.start();
    }
  }

  // The upgrade, or the handshake that has nothing to resume: once for each client.
  bool is_first(const Client& client) {
    if (load_.mode == "connect" && !load_.settings.resume) return false;
    const bool first = first_[client.number()];
    first_[client.number()] = false;
    return first;
  }

  void open_next() {
    if (opened_ < clients_.size()) clients_[opened_++]->start();
  }

  void fail(const char* why) {
    ++result_.errors;
    result_.error = why;
  }

  const Load& load_;
  int epoll_;
  SSL_CTX* context_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<bool> first_;
  Result result_;
  bool idle_ = false;
  std::size_t opened_ = 0;
};

double percentile_us(std::vector<double>& values, double share) {
  if (values.empty()) return 0;
  const auto index = static_cast<std::size_t>(static_cast<double>(values.size() - 1) * share);
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(index);
  std::nth_element(values.begin(), at, values.end());
  return *at * 1e6;
}

void print(Result& result) {
  printf(
      "{\"requests\": %zu, \"errors\": %zu, \"error\": \"%s\", \"seconds\": %.6f, "
      "\"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f}\n",
      result.latencies.size(), result.errors, result.error.c_str(), result.seconds,
      percentile_us(result.latencies, 0.5), percentile_us(result.latencies, 0.99),
      percentile_us(result.latencies, 0.999)
  );
  fflush(stdout);
}

[[noreturn]] void usage(const char* argument) {
  fprintf(
      stderr, "load: what is '%s'? load connect|websocket|idle port=N [name=value...]\n", argument
  );
  exit(2);
}

void set(Load& load, const std::string& name, const std::string& value) {
  Settings& settings = load.settings;
  if (name == "port")
    settings.port = atoi(value.c_str());
  else if (name == "connections")
    load.connections = strtoul(value.c_str(), nullptr, 10);
  else if (name == "seconds")
    load.seconds = atof(value.c_str());
  else if (name == "host")
    settings.host = value;
  else if (name == "path")
    settings.path = value;
  else if (name == "tls")
    settings.tls = value == "1";
  else if (name == "version")
    settings.tls_version = value == "1.2" ? TLS1_2_VERSION : TLS1_3_VERSION;
  else if (name == "resume")
    settings.resume = value == "1";
  else if (name == "bytes")
    settings.echo_bytes = strtoul(value.c_str(), nullptr, 10);
  else
    usage(name.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  Load load;
  load.mode = argc > 1 ? argv[1] : "";
  if (load.mode != "connect" && load.mode != "websocket" && load.mode != "idle")
    usage(load.mode.c_str());
  for (int i = 2; i < argc; ++i) {
    const std::string argument = argv[i];
    const std::size_t equals = argument.find('=');
    if (equals == std::string::npos) usage(argv[i]);
    set(load, argument.substr(0, equals), argument.substr(equals + 1));
  }
  Run run(load);
  Result result = load.mode == "idle" ? run.open_idle() : run.loop();
  print(result);
  if (load.mode == "idle")
    while (getchar() != EOF) continue;
  return 0;
}
