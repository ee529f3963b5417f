#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>

namespace cppx::controller::test {

/// What the name server says about one name.
struct NameRecord {
  enum class Answer : std::uint8_t { kAddresses, kNoSuchName, kServerFailure, kSilence };
  Answer answer = Answer::kAddresses;
  std::vector<std::string> ipv4 = {};
  std::vector<std::string> ipv6 = {};
  std::uint32_t ttl_seconds = 1;
  bool ipv6_fails = false;  ///< SERVFAIL for AAAA alone.
  bool silent_ipv6 = false;
};

/// A DNS server on a UDP port of 127.0.0.1, on the io_context of the test. Names it does not know
/// do not exist.
class FakeNameServer {
 public:
  explicit FakeNameServer(boost::asio::io_context& io);

  [[nodiscard]] std::string address() const;

  std::map<std::string, NameRecord> records;
  std::map<std::string, unsigned> queries;  ///< By name, of both families.

 private:
  void receive();
  [[nodiscard]] std::string answer(const std::string& query);

  boost::asio::ip::udp::socket socket_;
  boost::asio::ip::udp::endpoint sender_;
  std::array<char, 2048> buffer_{};
};

}  // namespace cppx::controller::test
