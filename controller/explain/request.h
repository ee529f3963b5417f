#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace cppx::controller {

/// A request as somebody asks about it, in the parts of which its head is made.
struct ExplainRequest {
  bool tls = false;
  std::string authority;     ///< Host field: that of -H if given, else of the URL.
  std::string server_name;   ///< What a client asks for in its handshake: the URL's host.
  std::string target = "/";  ///< Path and query; no fragment.
  std::string method = "GET";
  std::vector<std::pair<std::string, std::string>> fields;  ///< Without Host.
  std::string client_ip = "127.0.0.1";

  [[nodiscard]] std::string url() const;  ///< With `authority`.
};

/// What a person gives: "https://www.example.com/path?query" (without a scheme: http), a method,
/// lines "Name: value", and the client's address (empty: the default).
struct ExplainWords {
  std::string url;
  std::string method;
  std::vector<std::string> fields;
  std::string client_ip;
};

/// kInvalidArgument with one line when a part cannot be used.
Result<ExplainRequest> make_explain_request(const ExplainWords& words);

/// The words as the query of a request target ("url=...&header=...") and back. Unknown names and
/// bad escapes are kInvalidArgument.
std::string to_query(const ExplainWords& words);
Result<ExplainWords> explain_words_of_query(std::string_view query);

}  // namespace cppx::controller
