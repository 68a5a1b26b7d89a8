// dns_answer.cc: what a name costs: from the answer of a name server on this machine to a connection; again when the
// answer is kept.
#include <arpa/inet.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <thread>
#include <vector>

#include "laps.h"
#include "ours.h"
#include "process.h"
#include "raw_sockets.h"
#include "rows.h"

namespace trellis::bench {
namespace dns_answer_row {

constexpr std::size_t kConnections = 1000;
constexpr double kMicroseconds = 1e6;

/// Answers every A question with 127.0.0.1 and every other one with nothing, for so many seconds, and notes when.
class NameServer {
 public:
  explicit NameServer(std::uint32_t seconds) : ttl_(seconds), descriptor_(raw_udp()) {
    port = ntohs(local_address(descriptor_).sin_port);
    const timeval wait{.tv_sec = 0, .tv_usec = 50'000};
    setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    int blocking = 0;
    ioctl(descriptor_, FIONBIO, &blocking);
    thread_ = std::thread([this] { serve(); });
  }
  ~NameServer() {
    stop_ = true;
    thread_.join();
    close(descriptor_);
  }
  std::uint16_t port = 0;
  std::atomic<double> answered_at = 0;  ///< when the last A answer left

 private:
  void serve() {
    std::array<unsigned char, 1500> packet{};
    sockaddr_in peer{};
    while (!stop_) {
      socklen_t size = sizeof peer;
      const ssize_t got = recvfrom(descriptor_, packet.data(), packet.size() - kRecordMost, 0,
                                   reinterpret_cast<sockaddr*>(&peer), &size);
      if (got < 17) continue;
      std::size_t end = 12;
      while (end < static_cast<std::size_t>(got) && packet[end] != 0) end += packet[end] + 1u;
      const bool a = packet[end + 2] == 1;
      end += 5;
      packet[2] = 0x81;
      packet[3] = 0x80;
      packet[7] = a ? 1 : 0;
      packet[9] = a ? 0 : 1;
      packet[8] = packet[10] = packet[11] = 0;
      end += a ? put(packet.data() + end, 1, {127, 0, 0, 1}) : put(packet.data() + end, 6, soa());
      if (a) answered_at = now();
      sendto(descriptor_, packet.data(), end, 0, reinterpret_cast<sockaddr*>(&peer), size);
    }
  }
  // Says how long nothing is an answer (RFC 2308): names of the root, five numbers.
  std::vector<unsigned char> soa() const {
    std::vector<unsigned char> data(22);
    const std::uint32_t least = htonl(ttl_);
    std::memcpy(&data[18], &least, 4);
    return data;
  }
  // A record of the name that was asked for.
  std::size_t put(unsigned char* to, unsigned char type, const std::vector<unsigned char>& data) const {
    const std::uint32_t ttl = htonl(ttl_);
    const std::array<unsigned char, 12> head{0xc0, 12, 0, type, 0, 1,
                                             0,    0,  0, 0,    0, static_cast<unsigned char>(data.size())};
    std::memcpy(to, head.data(), head.size());
    std::memcpy(to + 6, &ttl, 4);
    std::memcpy(to + head.size(), data.data(), data.size());
    return head.size() + data.size();
  }
  static constexpr std::size_t kRecordMost = 64;
  std::uint32_t ttl_;
  int descriptor_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

/// Connections to "name.example", asked of the server; what each took from `begin` to ready.
double connect_by_name(std::uint32_t ttl, bool from_the_answer) {
  const RawListener listener = raw_listen();
  NameServer server(ttl);
  std::array<char, 64> name{};
  std::snprintf(name.data(), name.size(), "/tmp/trellis-bench-%d.xml", getpid());
  std::ofstream(name.data()) << R"(<policy xmlns="urn:trellis:policy:1" name="names"><names><resolver name="dns">)"
                             << R"(<option name="servers" value="127.0.0.1:)" << server.port
                             << R"("/></resolver></names>)"
                             << R"(<stacks><stack name="tcp"><layer protocol="tcp"/></stack></stacks></policy>)";
  auto loop = make_loop();
  auto framework = expect(Framework::create({.policies = {name.data()}}), "Framework::create");
  std::remove(name.data());
  Preconnection preconnection(*framework);
  preconnection.remote({.host = "name.example", .port = ntohs(listener.address.sin_port)});
  Laps laps(kConnections);
  connect_often(*loop, preconnection, listener, kConnections, laps, from_the_answer ? &server.answered_at : nullptr);
  close(listener.descriptor);
  return laps.typical() * kMicroseconds;
}

double connect_by_address() {
  const RawListener listener = raw_listen();
  Ours ours;
  Preconnection preconnection(*ours.framework);
  preconnection.stack("tcp").remote(loopback(ntohs(listener.address.sin_port)));
  Laps laps(kConnections);
  connect_often(*ours.loop, preconnection, listener, kConnections, laps);
  close(listener.descriptor);
  return laps.typical() * kMicroseconds;
}

}  // namespace dns_answer_row

Row dns_answer() {
  using namespace dns_answer_row;
  return {.name = "dns-answer",
          .about = "from a name server's answer on this machine to a TCP connection that is ready; at most 1 ms",
          .unit = "us",
          .better = Better::lower,
          .target = 1,
          .ours = [] { return connect_by_name(0, true); },
          .limit = 1000};
}

Row dns_cached() {
  using namespace dns_answer_row;
  return {.name = "dns-cached",
          .about = "a TCP connection to a name whose address is kept; baseline: to the address itself",
          .unit = "us",
          .better = Better::lower,
          .target = 1.5,
          .ours = [] { return connect_by_name(3600, false); },
          .baseline = connect_by_address};
}

}  // namespace trellis::bench
