#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>

#include "base/error.h"
#include "controller/admission/review_queue.h"
#include "controller/kube/task.h"
#include "controller/kube/task_group.h"
#include "tls/self_signed.h"

namespace cppx::controller {

struct WebhookLimits {
  std::size_t connections = 32;  ///< One more, and the one that waits for longest ends.
  /// An AdmissionReview has two objects. API servers take requests of 3 MiB.
  std::size_t body_bytes = 6UL * 1024 * 1024 + 64UL * 1024;
  std::chrono::seconds handshake{10};
  /// From one answer to the whole next request. API servers give up what is idle for 90 s: an end
  /// from our side could meet a request on its way.
  std::chrono::seconds request{100};
  /// Until the verdict. API servers wait for ten, unless told otherwise.
  std::chrono::seconds review{8};
};

/// HTTPS server of AdmissionReviews, at /networking/v1/ingresses and /. Belongs to the thread of
/// its executor. Answers 503 while it is not known yet what there is: the failurePolicy decides
/// then.
class WebhookServer {
 public:
  WebhookServer(Executor executor, ReviewFunction review, WebhookLimits limits = {});
  WebhookServer(const WebhookServer&) = delete;
  WebhookServer& operator=(const WebhookServer&) = delete;

  /// "host:port", ":8443" for all addresses, "[::1]:8443"; port 0: any. Returns the port.
  Result<std::uint16_t> listen(const std::string& address);
  /// For new connections. kTls when it cannot be used; then the last one stays.
  Result<void> set_certificate(const tls::PemPair& pair);
  /// Accepts from now on. Before there is a certificate, connections end at once.
  void start();
  void stop();

 private:
  class Session;

  Task<void> accept();
  Task<void> serve(std::shared_ptr<Session> session);
  void make_room();

  Executor executor_;
  WebhookLimits limits_;
  ReviewQueue reviews_;
  boost::asio::basic_socket_acceptor<boost::asio::ip::tcp, Executor> acceptor_;
  std::shared_ptr<boost::asio::ssl::context> tls_;
  std::list<Session*> sessions_;  // the one that did something last at the end
  TaskGroup tasks_;
};

}  // namespace cppx::controller
