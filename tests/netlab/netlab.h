// netlab.h: a network of its own for a test, on one machine, with any delay, loss, rate and fault, on a plain kernel.
//
// Hosts are network namespaces. A link joins two hosts by a TUN interface in each; a thread of the test carries the
// packets. Nothing is seen outside, nothing remains when the test ends, however it ends. Root may make labs, and
// ordinary users where the kernel lets them have user namespaces and /dev/net/tun.
//
//   TEST(Failover, GoesOnByTheOtherPath) {
//     if (const std::string why = netlab::Lab::why_not(); !why.empty()) GTEST_SKIP() << why;
//     netlab::ClientServer lab({{.forth = {.delay = 10ms}, .back = {.delay = 10ms}}, {}});  // round trips: 20 ms, 0
//
//     // A program in a host:
//     const std::vector<std::string> listen{test::program("trellis"), "listen", "--echo", "--stack", "tcp", "7000"};
//     test::Process server(lab.server.command(listen));
//     ASSERT_TRUE(server.wait_output("listening"));
//
//     // Or code of the test in a host. Sockets belong to where they were made, so that one loop can serve both ends:
//     {
//       const netlab::Inside inside(lab.server);
//       listener = preconnection.listen(*loop, ...);
//     }
//     const netlab::Inside inside(lab.client);
//     connection = to.initiate(...); loop->run();
//
//     lab.path(0).black_hole();                                      // while it runs, from any thread
//     lab.path(1).set({.delay = 50ms, .loss = 0.02, .bits_per_second = 25'000'000});
//     netlab::Block reset(lab.server, {.answer = netlab::Rule::Answer::reset, .port = 7000});  // until its end
//     EXPECT_GT(lab.path(1).counters(netlab::Way::forth).packets, 0u);
//   }
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "forwarder.h"
#include "host.h"
#include "link.h"
#include "sockets.h"

namespace trellis::netlab {

/// Hosts and the links between them. Everything fails with LabError, which says why.
class Lab {
 public:
  Lab();
  /// Why no lab can be made here, for GTEST_SKIP; "" when one can.
  static std::string why_not();

  Host& add_host(std::string name);
  /// The number of links of a lab ends at 200.
  Link& connect(const Host& first, const Host& second, const LinkOptions& options = {});
  const std::vector<std::unique_ptr<Link>>& links() const { return links_; }

 private:
  std::vector<std::unique_ptr<Host>> hosts_;
  std::vector<std::unique_ptr<Link>> links_;
  std::unique_ptr<Forwarder> forwarder_;  // ends before the links' descriptors
};

/// The usual lab: a client and a server, joined by one to four paths.
///
/// Path n is link n: its addresses lead over it alone. The server also has an address that all paths lead to. The
/// client sends there by the first path that is up, unless a socket is bound to another one's address or interface.
class ClientServer : public Lab {
 public:
  explicit ClientServer(const std::vector<LinkOptions>& paths = {{}});
  Host& client;
  Host& server;
  Link& path(std::size_t n) const { return *links().at(n); }
  static std::string address(Family family = Family::ipv4);  ///< that of the server over all paths
};

}  // namespace trellis::netlab
