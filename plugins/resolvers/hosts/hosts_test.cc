// The reader of hosts files: what is sound counts, what is wrong is told with its line.
#include "hosts_file.h"

#include <gmock/gmock.h>

namespace trellis::hosts {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST(HostsFile, NamesAndAliases) {
  const auto table = parse_hosts(
      "# mine\n127.0.0.1\tlocalhost\r\n::1 localhost ip6-localhost\n\n"
      "192.0.2.7  Printer.Example.  printer # upstairs",
      "hosts");
  EXPECT_THAT(table.faults, IsEmpty());
  ASSERT_TRUE(table.names.contains("localhost"));
  const auto& local = table.names.find("localhost")->second;
  ASSERT_THAT(local, SizeIs(2));
  EXPECT_EQ(local[0].family, Address::Family::ipv4);
  EXPECT_EQ(local[1].family, Address::Family::ipv6);
  EXPECT_TRUE(table.names.contains("printer.example"));
  EXPECT_TRUE(table.names.contains("printer"));
  EXPECT_FALSE(table.names.contains("upstairs"));
}

TEST(HostsFile, WhatIsWrongIsToldWithItsLineAndTheRestCounts) {
  const auto table = parse_hosts(
      "1.2.3 short\n192.0.2.1\n192.0.2.2 a..b good\n0x7f000001 hex\n192.0.2.3 n\xff!\nfe80::1%0 x\n", "/etc/hosts");
  EXPECT_THAT(table.faults,
              ElementsAre("/etc/hosts:1: found \"1.2.3\", expected an address like 192.0.2.1 or 2001:db8::1",
                          "/etc/hosts:2: found an address without a name, expected at least one name behind it",
                          "/etc/hosts:3: found \"a..b\", expected a name: labels of 1 to 63 letters, digits, - and _",
                          "/etc/hosts:4: found \"0x7f000001\", expected an address like 192.0.2.1 or 2001:db8::1",
                          "/etc/hosts:5: found \"n?!\", expected a name: labels of 1 to 63 letters, digits, - and _",
                          "/etc/hosts:6: found \"fe80::1%0\", expected an address like 192.0.2.1 or 2001:db8::1"));
  EXPECT_THAT(table.names, SizeIs(1));
  EXPECT_TRUE(table.names.contains("good"));
}

TEST(HostsFile, IsBounded) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += "10.0.0." + std::to_string(i % 256) + " same\nbad" + std::to_string(i) + " x\n";
  const auto table = parse_hosts(text, "hosts");
  EXPECT_THAT(table.names.find("same")->second, SizeIs(kAddressesMost));
  EXPECT_THAT(table.faults, SizeIs(kFaultsMost));
  EXPECT_GT(table.faults_in_all, 300u);
}

}  // namespace
}  // namespace trellis::hosts
