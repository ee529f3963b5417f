#include "app/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "controller/controller.h"
#include "controller/duties/duty_options.h"
#include "proxy/worker/counters.h"

namespace cppx::app {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

struct Sample {
  double value;
  std::string label;  // value of the family's one label; empty: none
  std::string label_name = {};
};

MetricFamily family(
    std::string name, std::string help, MetricType type, std::vector<Sample> samples
) {
  MetricFamily made{std::move(name), std::move(help), type, {}};
  for (auto& sample : samples) {
    ClientMetric metric;
    if (!sample.label.empty()) metric.label.push_back({sample.label_name, sample.label});
    if (type == MetricType::Counter)
      metric.counter.value = sample.value;
    else
      metric.gauge.value = sample.value;
    made.metric.push_back(std::move(metric));
  }
  return made;
}

double number(std::uint64_t value) { return static_cast<double>(value); }

/// What the leader of the replicas does.
void add_duties(std::vector<MetricFamily>& families, const controller::DutyState& duties) {
  if (duties.elects)
    families.push_back(family(
        "nginx_ingress_controller_leader_election_status", "Whether this replica leads",
        MetricType::Gauge, {{duties.leading ? 1.0 : 0.0, duties.election_id, "name"}}
    ));
  families.push_back(family(
      "cppx_ingress_status_writes_total", "Times that the status of an Ingress was written",
      MetricType::Counter, {{number(duties.statuses_written), {}}}
  ));
  families.push_back(family(
      "cppx_ingress_status_failures_total", "Writes of the status of an Ingress that failed",
      MetricType::Counter, {{number(duties.status_failures), {}}}
  ));
  families.push_back(family(
      "cppx_events_sent_total", "Events of Kubernetes objects that were sent", MetricType::Counter,
      {{number(duties.events_sent), {}}}
  ));
  families.push_back(family(
      "cppx_events_dropped_total",
      "Events that were not sent: too many, or the API server did not take them",
      MetricType::Counter, {{number(duties.events_dropped), {}}}
  ));
}

}  // namespace

std::string render_metrics(
    const proxy::Counters& counters, const controller::ControllerStatus& status
) {
  std::vector<Sample> responses;
  const char* const classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
  for (std::size_t i = 0; i < counters.responses.size(); ++i)
    responses.push_back({number(counters.responses[i]), classes[i], "status"});
  std::vector<MetricFamily> families{
      family(
          "nginx_ingress_controller_nginx_process_connections", "Client connections now open",
          MetricType::Gauge, {{number(counters.connections_active), "active", "state"}}
      ),
      family(
          "nginx_ingress_controller_nginx_process_connections_total",
          "Client connections since the start", MetricType::Counter,
          {{number(counters.connections_accepted), "accepted", "state"}}
      ),
      family(
          "nginx_ingress_controller_nginx_process_requests_total",
          "Client requests since the start", MetricType::Counter, {{number(counters.requests), {}}}
      ),
      family(
          "cppx_responses_total", "Responses by class of their status", MetricType::Counter,
          std::move(responses)
      ),
      family(
          "cppx_tls_handshakes_failed_total", "TLS handshakes that did not come to their end",
          MetricType::Counter, {{number(counters.tls_handshakes_failed), {}}}
      ),
      family(
          "cppx_proxy_protocol_refused_total",
          "Connections ended for want of a PROXY header that may be believed", MetricType::Counter,
          {{number(counters.proxy_headers_refused), {}}}
      ),
      family(
          "cppx_idle_connections_closed_total",
          "Idle client connections closed to make room for new ones", MetricType::Counter,
          {{number(counters.idle_connections_shed), {}}}
      ),
      family(
          "cppx_accept_paused_total",
          "Times that a worker had all the client connections that it may have",
          MetricType::Counter, {{number(counters.accepts_paused), {}}}
      ),
      family(
          "cppx_requests_limited_total",
          "Requests refused for their client's number or rate of requests", MetricType::Counter,
          {{number(counters.requests_limited), {}}}
      ),
      family(
          "cppx_requests_short_of_memory_total",
          "Requests answered 503 while the memory limit was near", MetricType::Counter,
          {{number(counters.requests_short_of_memory), {}}}
      ),
      family(
          "cppx_connections_cut_for_memory_total",
          "Client connections cut because the memory limit was reached", MetricType::Counter,
          {{number(counters.connections_cut_for_memory), {}}}
      ),
      family(
          "cppx_upstream_connects_total", "Connections opened to backends", MetricType::Counter,
          {{number(counters.upstream_connects), {}}}
      ),
      family(
          "cppx_upstream_connect_failures_total", "Connections to backends that failed",
          MetricType::Counter, {{number(counters.upstream_connect_failures), {}}}
      ),
      family(
          "cppx_upstream_reuses_total", "Requests sent on a connection that was idle",
          MetricType::Counter, {{number(counters.upstream_reuses), {}}}
      ),
      family(
          "cppx_upstream_retries_total", "Requests sent once more", MetricType::Counter,
          {{number(counters.retries), {}}}
      ),
      family(
          "cppx_upstream_retries_denied_total", "Retries for which the budget had nothing left",
          MetricType::Counter, {{number(counters.retries_denied), {}}}
      ),
      family(
          "cppx_upstream_ejections_total", "Endpoints taken out of use after failures",
          MetricType::Counter, {{number(counters.upstream_ejections), {}}}
      ),
      family(
          "cppx_upstream_idle_connections", "Idle connections to backends", MetricType::Gauge,
          {{number(counters.upstream_idle), {}}}
      ),
      family(
          "cppx_access_log_lines_dropped_total",
          "Lines of the access log that could not be written", MetricType::Counter,
          {{number(counters.access_log_lines_dropped), {}}}
      ),
      family(
          "cppx_snapshot_generation", "Snapshots published since the start", MetricType::Gauge,
          {{number(status.generation), {}}}
      ),
      family(
          "cppx_config_problems", "Objects that could not be honoured in full", MetricType::Gauge,
          {{static_cast<double>(status.diagnostics->size()), {}}}
      ),
  };
  add_duties(families, status.duties);
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, families);
  return out.str();
}

}  // namespace cppx::app
