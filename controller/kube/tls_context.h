#pragma once

#include <memory>

#include <boost/asio/ssl/context.hpp>

#include "base/error.h"
#include "controller/kube/kube_config.h"

namespace cppx::controller {

/// A client context with the authorities, client certificate and key of the configuration, TLS 1.2
/// and up. Reads the files it names. kTls, kIo or kNotFound say which key and why.
Result<std::shared_ptr<boost::asio::ssl::context>> make_client_tls_context(const KubeConfig& config
);

}  // namespace cppx::controller
