// A client of QUIC whose address changes: the kernel then hands its packets to another loop than that of its
// Connection.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <cstring>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "support/raw_socket.h"
#include "threads/loop_servers.h"

namespace trellis {
namespace {

// A NAT between one client and the server, whose outer port changes when it is told to.
class MovingNat {
 public:
  explicit MovingNat(std::uint16_t server, std::size_t ports) : outside_(ports) {
    for (auto& socket : outside_) {
      socket = test::RawSocket::udp();
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_port = htons(server);
      to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      EXPECT_EQ(connect(socket.descriptor(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    }
    thread_ = std::thread([this] { run(); });
  }
  ~MovingNat() {
    over_ = true;
    thread_.join();
  }
  std::uint16_t port() const { return inside_.port(); }
  void move() { ++now_; }

 private:
  void run() {
    std::vector<pollfd> all{{.fd = inside_.descriptor(), .events = POLLIN, .revents = 0}};
    for (const auto& socket : outside_) all.push_back({.fd = socket.descriptor(), .events = POLLIN, .revents = 0});
    while (!over_) {
      if (poll(all.data(), all.size(), 20) <= 0) continue;
      if (all[0].revents != 0) {
        const std::string packet = inside_.receive();
        send(outside_[now_ % outside_.size()].descriptor(), packet.data(), packet.size(), 0);
      }
      for (std::size_t i = 1; i < all.size(); ++i) {
        char packet[2048];
        if (all[i].revents == 0) continue;
        const ssize_t size = recv(all[i].fd, packet, sizeof packet, 0);
        if (size > 0) inside_.answer({packet, static_cast<std::size_t>(size)});
      }
    }
  }
  test::RawSocket inside_ = test::RawSocket::udp();
  std::vector<test::RawSocket> outside_;
  std::atomic<std::size_t> now_ = 0;
  std::atomic<bool> over_ = false;
  std::thread thread_;
};

std::string quic() {
  const std::string pki = TEST_PKI;
  return "quic(trust='" + pki + "/ca.pem',certificate='" + pki + "/server.pem',key='" + pki +
         "/server.key',server-name=peer.example,alpn=test)/udp";
}

// QUIC-84: with 40 ports, all are of one loop once in 2^40 runs.
TEST(MovedPeer, IsFoundOnItsLoop) {
  const tests::LoopServers servers(2, quic());
  MovingNat nat(servers.port(), 40);
  auto loop = make_loop();
  auto framework = Framework::create({.policies = {TRELLIS_SOURCE_DIR "/policies/default.xml"},
                                      .plugin_directories = {TRELLIS_BUILD_DIR "/plugins"},
                                      .log = {}});
  ASSERT_TRUE(framework) << framework.error().detail;
  Preconnection p(**framework);
  p.stack(quic()).remote({.host = "127.0.0.1", .port = nat.port()});
  std::optional<Error> failure;
  auto client = std::make_unique<Connection>(p.initiate(*loop, [&](Result<void> r) {
    if (!r) failure = r.error();
  }));
  for (int i = 0; i < 40 && !failure; ++i) {
    const std::string ping = "ping " + std::to_string(i) + ";";
    Slice slice = client->allocate(static_cast<std::uint32_t>(ping.size()));
    std::memcpy(slice.edit().data(), ping.data(), ping.size());
    client->send(std::move(slice));
    bool answered = false;
    client->receive(ping.size(), ping.size(), [&](Result<Message> m) {
      answered = true;
      if (!m) failure = m.error();
    });
    while (!answered && !failure) loop->run_once(true);
    nat.move();
  }
  EXPECT_FALSE(failure) << failure->detail;
  const std::vector<int> received = servers.received();
  EXPECT_EQ(std::accumulate(received.begin(), received.end(), 0), 1) << "it is one Connection all the time";
  client.reset();
  loop->run_once(false);
}

}  // namespace
}  // namespace trellis
