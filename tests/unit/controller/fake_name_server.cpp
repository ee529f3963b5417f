#include "tests/unit/controller/fake_name_server.h"

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/address.hpp>

namespace cppx::controller::test {

namespace asio = boost::asio;
using udp = asio::ip::udp;

namespace {

// RFC 1035 section 4.
constexpr std::size_t kHeaderBytes = 12;
constexpr unsigned kTypeA = 1;
constexpr unsigned kTypeAaaa = 28;
constexpr unsigned kServerFailure = 2;
constexpr unsigned kNoSuchName = 3;

void put16(std::string& message, unsigned value) {
  message += static_cast<char>(value >> 8 & 0xff);
  message += static_cast<char>(value & 0xff);
}

void put_record(std::string& message, unsigned type, std::uint32_t ttl, const std::string& data) {
  put16(message, 0xc00c);  // the name of the question
  put16(message, type);
  put16(message, 1);
  put16(message, ttl >> 16);
  put16(message, ttl & 0xffff);
  put16(message, static_cast<unsigned>(data.size()));
  message += data;
}

std::string bytes_of(const std::string& text) {
  const auto address = asio::ip::make_address(text);
  std::string bytes;
  if (address.is_v4()) {
    for (const unsigned char byte : address.to_v4().to_bytes()) bytes += static_cast<char>(byte);
  } else {
    for (const unsigned char byte : address.to_v6().to_bytes()) bytes += static_cast<char>(byte);
  }
  return bytes;
}

}  // namespace

FakeNameServer::FakeNameServer(asio::io_context& io)
    : socket_(io, udp::endpoint(asio::ip::address_v4::loopback(), 0)) {
  receive();
}

std::string FakeNameServer::address() const {
  return fmt::format("127.0.0.1:{}", socket_.local_endpoint().port());
}

void FakeNameServer::receive() {
  socket_.async_receive_from(
      asio::buffer(buffer_), sender_,
      [this](const boost::system::error_code& error, std::size_t count) {
        if (error == asio::error::operation_aborted) return;
        if (!error && count > kHeaderBytes) {
          const std::string reply = answer(std::string(buffer_.data(), count));
          boost::system::error_code ignored;
          if (!reply.empty()) socket_.send_to(asio::buffer(reply), sender_, 0, ignored);
        }
        receive();
      }
  );
}

std::string FakeNameServer::answer(const std::string& query) {
  std::string name;
  std::size_t at = kHeaderBytes;
  while (at < query.size() && query[at] != 0) {
    const auto length = static_cast<unsigned char>(query[at]);
    name += (name.empty() ? "" : ".") + query.substr(at + 1, length);
    at += 1U + length;
  }
  const unsigned type = static_cast<unsigned char>(query.at(at + 2));
  const std::string question = query.substr(kHeaderBytes, at + 5 - kHeaderBytes);
  ++queries[name];

  NameRecord record;
  record.answer = NameRecord::Answer::kNoSuchName;
  if (const auto known = records.find(name); known != records.end()) record = known->second;
  const bool silent = type == kTypeAaaa && record.silent_ipv6;
  if (record.answer == NameRecord::Answer::kSilence || silent) return {};
  unsigned code = 0;
  if (record.answer == NameRecord::Answer::kNoSuchName) code = kNoSuchName;
  if (record.answer == NameRecord::Answer::kServerFailure) code = kServerFailure;
  if (type == kTypeAaaa && record.ipv6_fails) code = kServerFailure;

  const auto& addresses = type == kTypeA ? record.ipv4 : record.ipv6;
  const bool found = code == 0 && (type == kTypeA || type == kTypeAaaa);
  std::string message = query.substr(0, 2);
  put16(message, 0x8180U | code);
  put16(message, 1);
  put16(message, found ? static_cast<unsigned>(addresses.size()) : 0);
  put16(message, 0);
  put16(message, 0);
  message += question;
  if (found)
    for (const std::string& address : addresses)
      put_record(message, type, record.ttl_seconds, bytes_of(address));
  return message;
}

}  // namespace cppx::controller::test
