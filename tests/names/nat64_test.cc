// NAT64: prefixes and addresses (RFC 6052), how the prefix is learnt (RFC 7050), and when it is used.
#include "nat64.h"

#include <gmock/gmock.h>

#include "names_world.h"

namespace trellis::tests {
namespace {

using testing::ElementsAre;

Address at(std::string_view literal) { return parse_address(literal, 0).value(); }

Nat64Prefix prefix(std::string_view literal, std::uint8_t bits) { return {at(literal).ip, bits}; }

// RACE-165: the table of RFC 6052 section 2.4.
TEST(Nat64, VectorsOfTheStandard) {
  const struct {
    Nat64Prefix prefix;
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

// RACE-167, RACE-138: once the prefix is known, what DNS64 has made of IPv4 addresses is told as those, and at once.
TEST_F(Nat64Test, TranslationsAmongIpv6AddressesAreIpv4Addresses) {
  resolve("old.example");
  v6.on("AAAA", "both.example").records = {"2001:db8:64::c633:6409", "2001:db8::a"};
  v6.on("A", "both.example") = {.records = {"198.51.100.9"}, .after = 100ms};
  const auto heard = resolve("both.example");
  EXPECT_THAT(heard->addresses(kIpv6), ElementsAre("[2001:db8::a]"));
  EXPECT_THAT(heard->addresses(kIpv4), ElementsAre("[2001:db8:64::c633:6409]", "[2001:db8:64::c633:6409]"));
  const Answer& first = heard->answers.front();
  EXPECT_EQ(first.kind, kIpv4);
  ASSERT_EQ(first.originals.size(), 1u);
  EXPECT_EQ(first.originals[0].ip, at("198.51.100.9").ip);
  v6.on("AAAA", "only.example").records = {"2001:db8:64::c633:6408"};
  v6.on("A", "only.example").records = {"198.51.100.8"};
  EXPECT_EQ(resolve("only.example")->error(kIpv6), "the name has IPv4 addresses only, which NAT64 translates");
}

// RACE-162: a prefix that routers or the policy have told need not be asked for.
TEST_F(Nat64Test, ThePrefixMayBeToldByTheNetwork) {
  path.provisioning = std::make_shared<const Provisioning>(Provisioning{
      .dns_servers = {NamesWorld::at("2001:db8::53")}, .search_domains = {}, .nat64 = {prefix("2001:db8:99::", 96)}});
  EXPECT_THAT(resolve("old.example")->addresses(kIpv4), ElementsAre("[2001:db8:99::c633:6407]"));
  EXPECT_EQ(v6.asked("AAAA", "ipv4only.arpa"), 0u);
}

// RACE-139: where there is no IPv4, IPv4 addresses are asked for only if there is NAT64.
TEST_F(Nat64Test, Ipv4AddressesAreAskedForWhereTheyAreOfUse) {
  const auto heard = resolve("old.example", {}, 443, {.ipv6 = true, .ipv4 = false});
  EXPECT_THAT(v6.log, ElementsAre("AAAA old.example udp", "AAAA ipv4only.arpa udp", "A old.example udp"));
  EXPECT_THAT(heard->addresses(kIpv4), ElementsAre("[2001:db8:64::c633:6407]"));
  v6.log.clear();
  world.run_for(61s);
  v6.on("AAAA", "ipv4only.arpa").records = {};
  EXPECT_EQ(resolve("old.example", {}, 443, {.ipv6 = true, .ipv4 = false})->error(kIpv4),
            "the path does not lead to IPv4 addresses");
  EXPECT_THAT(v6.log, ElementsAre("AAAA old.example udp", "AAAA ipv4only.arpa udp"));
}

// RACE-166: addresses of services are translated as well.
TEST_F(Nat64Test, HintsAreTranslated) {
  resolve("old.example");
  v6.on("HTTPS", "web.example").records = {"1 . alpn=h3 hint=198.51.100.20"};
  EXPECT_THAT(resolve("web.example", "https")->addresses(kService), ElementsAre("[2001:db8:64::c633:6414]"));
}

class DualStackTest : public NamesWorld {};

// RACE-139
TEST_F(DualStackTest, AFamilyThatCannotBeReachedIsNotAskedFor) {
  far.interface("eth0").add_address("198.51.100.7");
  server.on("A", "a.example").records = {"198.51.100.7"};
  const auto heard = resolve("a.example", {}, 443, {.ipv6 = false, .ipv4 = true});
  EXPECT_THAT(server.log, ElementsAre("A a.example udp"));
  EXPECT_EQ(heard->error(kIpv6), "the path does not lead to IPv6 addresses");
}

// RACE-167: and the other way round: where there is IPv4, nobody goes through a translator.
TEST_F(DualStackTest, TranslationsAreTakenBackWhereThereIsIpv4) {
  far.interface("eth0").add_address("198.51.100.7");
  path.provisioning = std::make_shared<const Provisioning>(Provisioning{
      .dns_servers = {NamesWorld::at("192.0.2.53")}, .search_domains = {}, .nat64 = {prefix("2001:db8:64::", 96)}});
  server.on("AAAA", "a.example").records = {"2001:db8:64::c633:6407"};
  const auto heard = resolve("a.example");
  EXPECT_THAT(heard->addresses(kIpv4), ElementsAre("198.51.100.7"));
  EXPECT_THAT(heard->addresses(kIpv6), testing::IsEmpty());
}

TEST_F(DualStackTest, NothingIsTranslatedWhereThereIsIpv4) {
  far.interface("eth0").add_address("198.51.100.7");
  server.on("A", "a.example").records = {"198.51.100.7"};
  EXPECT_THAT(resolve("a.example")->addresses(kIpv4), ElementsAre("198.51.100.7"));
  EXPECT_EQ(server.asked("AAAA", "ipv4only.arpa"), 0u);
}

}  // namespace
}  // namespace trellis::tests
