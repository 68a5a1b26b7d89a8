// NAT64: prefixes and addresses (RFC 6052), how the prefix is learnt (RFC 7050), and when it is used.
#include "nat64.h"

#include <gmock/gmock.h>

#include "names_world.h"

namespace trellis::tests {
namespace {

using testing::ElementsAre;

Address at(std::string_view literal) { return parse_address(literal, 0).value(); }

dns::Nat64Prefix prefix(std::string_view literal, std::uint8_t bits) { return {at(literal).ip, bits}; }

// RACE-165: the table of RFC 6052 section 2.4.
TEST(Nat64, VectorsOfTheStandard) {
  const struct {
    dns::Nat64Prefix prefix;
    const char* address;
  } kVectors[] = {
      {prefix("2001:db8::", 32), "2001:db8:c000:221::"},
      {prefix("2001:db8:100::", 40), "2001:db8:1c0:2:21::"},
      {prefix("2001:db8:122::", 48), "2001:db8:122:c000:2:2100::"},
      {prefix("2001:db8:122:300::", 56), "2001:db8:122:3c0:0:221::"},
      {prefix("2001:db8:122:344::", 64), "2001:db8:122:344:c0:2:2100::"},
      {prefix("2001:db8:122:344::", 96), "2001:db8:122:344::192.0.2.33"},
      {prefix("64:ff9b::", 96), "64:ff9b::192.0.2.33"},
  };
  for (const auto& vector : kVectors) {
    const auto made = dns::synthesize(vector.prefix, at("192.0.2.33"));
    ASSERT_TRUE(made);
    EXPECT_EQ(made->ip, at(vector.address).ip) << vector.address;
    EXPECT_EQ(dns::extract(vector.prefix, *made).value().ip, at("192.0.2.33").ip);
  }
  EXPECT_FALSE(dns::extract(prefix("64:ff9b::", 96), at("2001:db8::1")));
}

// RACE-168, RACE-165
TEST(Nat64, SomeAddressesAreNeverTranslated) {
  const auto network = prefix("2001:db8::", 32), well_known = prefix("64:ff9b::", 96);
  for (const char* literal : {"0.1.2.3", "127.0.0.1", "169.254.1.1", "255.255.255.255", "224.0.0.1"})
    EXPECT_FALSE(dns::synthesize(network, at(literal))) << literal;
  EXPECT_TRUE(dns::synthesize(network, at("10.0.0.1")));
  EXPECT_FALSE(dns::synthesize(well_known, at("10.0.0.1")));
  EXPECT_FALSE(dns::synthesize(well_known, at("192.168.1.1")));
}

// RACE-164
TEST(Nat64, ThePrefixIsFoundInAnswersForTheKnownName) {
  const Address answers[] = {at("64:ff9b::c000:aa"), at("64:ff9b::c000:ab"), at("2001:db8:c000:aa::"),
                             at("2001:db8::1")};
  EXPECT_THAT(dns::find_prefixes(answers), ElementsAre(prefix("64:ff9b::", 96), prefix("2001:db8::", 32)));
}

/// A network without IPv4, with a name server that knows its NAT64.
class Nat64Test : public NamesWorld {
 protected:
  Nat64Test() {
    client.interface("eth0").remove_address("192.0.2.1");
    provide({NamesWorld::at("2001:db8::53")});
    v6.on("A", "old.example").records = {"198.51.100.7"};
    v6.on("AAAA", "ipv4only.arpa").records = {"2001:db8:64::c000:aa", "2001:db8:64::c000:ab"};
  }
  DnsServer v6{far.loop(), NamesWorld::at("2001:db8::53")};
};

// RACE-166, RACE-162, RACE-136
TEST_F(Nat64Test, Ipv4AddressesAreTranslatedWhereThereIsNoIpv4) {
  const auto heard = resolve("old.example");
  EXPECT_THAT(heard->addresses(kIpv4), ElementsAre("[2001:db8:64::c633:6407]"));
  EXPECT_EQ(heard->answers.back().source, "[2001:db8::53]:53 and NAT64");
  resolve("old.example");
  EXPECT_EQ(v6.asked("AAAA", "ipv4only.arpa"), 1u) << "the prefix is kept by its time";
}

// RACE-136, RACE-166: addresses that are given are translated like those of names, and nothing else is asked.
TEST_F(Nat64Test, Ipv4AddressesThatAreGivenAreTranslated) {
  const auto heard = resolve("198.51.100.7", "https");
  EXPECT_THAT(heard->addresses(kIpv4), ElementsAre("[2001:db8:64::c633:6407]"));
  EXPECT_EQ(heard->answers.back().source, "NAT64");
  EXPECT_EQ(heard->error(kIpv6), "it is an IPv4 address");
  EXPECT_EQ(v6.log, std::vector<std::string>{"AAAA ipv4only.arpa udp"});
}

TEST_F(Nat64Test, NothingIsTranslatedWithoutAPrefixOrWhenItIsOff) {
  v6.on("AAAA", "ipv4only.arpa").records = {};
  EXPECT_THAT(resolve("old.example")->addresses(kIpv4), ElementsAre("198.51.100.7"));
  option("nat64", "false");
  const std::size_t before = v6.asked("AAAA", "ipv4only.arpa");
  EXPECT_THAT(resolve("old.example")->addresses(kIpv4), ElementsAre("198.51.100.7"));
  EXPECT_EQ(v6.asked("AAAA", "ipv4only.arpa"), before);
}

class DualStackTest : public NamesWorld {};

TEST_F(DualStackTest, NothingIsTranslatedWhereThereIsIpv4) {
  far.interface("eth0").add_address("198.51.100.7");
  server.on("A", "a.example").records = {"198.51.100.7"};
  EXPECT_THAT(resolve("a.example")->addresses(kIpv4), ElementsAre("198.51.100.7"));
  EXPECT_EQ(server.asked("AAAA", "ipv4only.arpa"), 0u);
}

}  // namespace
}  // namespace trellis::tests
