#pragma once
// The base folder: what everything else may include and what includes nothing of the project.
// Errors and results (error.h), text helpers (text.h), the log (log.h), the CPU quota (cpu.h).

#include <cstdint>
#include <string>
#include <string_view>

#include <boost/system/result.hpp>

namespace cppx {

/// What went wrong, as a reader of the code or of the log can act on it.
enum class Errc : std::uint8_t {
  kInvalidArgument,  ///< A value given by the user (flag, file, annotation) cannot be used.
  kNotFound,         ///< A file, object, key or name does not exist.
  kIo,               ///< A system call on a file or socket failed; detail holds its text.
  kParse,            ///< Text (JSON, YAML, PEM, HTTP head) is not what its grammar allows.
  kUnsupported,      ///< Understood, but not something this program does.
  kTls,              ///< OpenSSL refused a certificate, key or handshake.
  kTimeout,          ///< A deadline passed.
  kClosed,           ///< The peer closed the connection before the message was complete.
  kProtocol,         ///< The peer broke its protocol.
  kTooLarge,         ///< A limit on a message, head or body was exceeded.
  kConflict,         ///< Another object holds what this one asks for.
  kUnauthorized,     ///< The Kubernetes API refused the credentials or the verb (401, 403).
  kGone,             ///< The asked-for resourceVersion is no longer held (HTTP 410).
  kUnavailable,      ///< The other side cannot answer now (refused, 429, 5xx).
  kCancelled,        ///< Stopped on our own side.
};

/// Whose fault an error is: decides the status a client sees and the level it is logged at.
enum class ErrorSource : std::uint8_t { kDownstream, kUpstream, kInternal, kConfig };

/// An expected failure, as a value. `detail` is one line for a person: what, where, why.
struct Error {
  Errc code = Errc::kInvalidArgument;
  ErrorSource source = ErrorSource::kInternal;
  bool retryable = false;
  std::string detail;
};

/// Short stable name of a code, for logs and metrics ("not_found").
std::string_view to_string(Errc code) noexcept;

template <class T>
using Result = boost::system::result<T, Error>;

/// Config-source error with a ready detail text: the usual one on the control path.
Error config_error(Errc code, std::string detail);

/// Called by Result::value() on a Result that holds an error: a broken invariant, ends the process.
[[noreturn]] void throw_exception_from_error(const Error& error, const boost::source_location&);

}  // namespace cppx
