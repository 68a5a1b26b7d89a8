// What is wrong in resolv.conf is named, and it is what c-ares passes over.
#include "resolv_conf.h"

#include <ares.h>
#include <gmock/gmock.h>

#include "support/process.h"

namespace trellis::dns {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<std::string> faults_of(std::string_view text) { return faults_of_resolv_conf(text, "/etc/resolv.conf"); }

/// The servers that c-ares takes from the file.
std::string servers_of(const std::string& text) {
  const test::TemporaryDirectory folder;
  std::string file = folder.write("resolv.conf", text);
  ares_options options{};
  options.resolvconf_path = file.data();
  ares_channel_t* channel = nullptr;
  EXPECT_EQ(ares_init_options(&channel, &options, ARES_OPT_RESOLVCONF), ARES_SUCCESS);
  char* csv = ares_get_servers_csv(channel);
  const std::string servers = csv;
  ares_free_string(csv);
  ares_destroy(channel);
  return servers;
}

TEST(ResolvConf, WhatIsSoundIsPassed) {
  EXPECT_THAT(faults_of("# by hand\n; too\n\nnameserver 192.0.2.53 # the first\nnameserver\t2001:db8::53\r\n"
                        "nameserver fe80::1%eth0\nnameserver [2001:db8::53]:5353\ndomain example.net\n"
                        "search a.example b.example\noptions ndots:2 timeout:1 rotate edns0 trust-ad\n"
                        "sortlist 192.0.2.0/24\nlookup file bind"),
              IsEmpty());
}

TEST(ResolvConf, WhatIsWrongIsNamedWithItsLine) {
  const std::string server = ", expected an address like 192.0.2.53 or 2001:db8::53: it counts for nothing";
  EXPECT_THAT(
      faults_of("nameserver 300.1.1.1\nnameserver\nnameserver 192.0.2.53:0\nname-server 192.0.2.53\nsearch\n"
                "options rotate ndots:16\nnameserver [2001:db8::53\nnameserver n\xffs\n"),
      ElementsAre("/etc/resolv.conf:1: found name server \"300.1.1.1\"" + server,
                  "/etc/resolv.conf:2: found name server \"\"" + server,
                  "/etc/resolv.conf:3: found name server \"192.0.2.53:0\"" + server,
                  "/etc/resolv.conf:4: found \"name-server\", expected nameserver, search, domain or options "
                  "(resolv.conf(5)): it counts for nothing",
                  "/etc/resolv.conf:5: found search alone, expected a domain behind it: it counts for nothing",
                  "/etc/resolv.conf:6: found option \"ndots:16\", expected ndots:0 to ndots:15: it counts for nothing",
                  "/etc/resolv.conf:7: found name server \"[2001:db8::53\"" + server,
                  "/etc/resolv.conf:8: found name server \"n?s\"" + server));
}

TEST(ResolvConf, IsBounded) {
  std::string flood;
  for (int i = 0; i < 10'000; ++i) flood += "wrong " + std::to_string(i) + "\n";
  EXPECT_THAT(faults_of(flood), SizeIs(kResolvConfFaultsMost));
}

// The reader of the file is c-ares: what is named is what it does not take, and nothing else.
TEST(ResolvConf, CAresPassesTheSameOver) {
  for (const std::string server : {"300.1.1.1", "nonsense", "[2001:db8::53", "2001:db8::53::", "192.0.2.53:x"}) {
    EXPECT_THAT(faults_of("nameserver " + server + "\n"), SizeIs(1)) << server;
    EXPECT_EQ(servers_of("nameserver 192.0.2.1\nnameserver " + server + "\n"), "192.0.2.1:53") << server;
  }
  for (const std::string server : {"192.0.2.53", "2001:db8::53", "[2001:db8::53]:5353", "192.0.2.53:5353"}) {
    EXPECT_THAT(faults_of("nameserver " + server + "\n"), IsEmpty()) << server;
    EXPECT_NE(servers_of("nameserver 192.0.2.1\nnameserver " + server + "\n"), "192.0.2.1:53") << server;
  }
}

}  // namespace
}  // namespace trellis::dns
