// Names and services of the link: multicast DNS (RFC 6762) and DNS-SD (RFC 6763) by the plugin `dns`, in virtual time.
#include <gmock/gmock.h>

#include "link_question.h"
#include "names_world.h"
#include "service_lookup.h"

namespace trellis::tests {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// A neighbour who answers for names of the link.
class LinkTest : public NamesWorld {
 protected:
  LinkTest() { option("nat64", "false"); }  // no address of these tests can be reached
  std::unique_ptr<HeardNames> find(std::string instance, std::string service = "ipp", std::string domain = "local") {
    auto heard = ask(std::move(domain), std::move(service), 0, {.ipv6 = false, .ipv4 = false}, std::move(instance));
    EXPECT_TRUE(world.run_until([&] { return heard->ended.contains(kService); }, 60s));
    return heard;
  }
  /// "printer.local:631", in the order in which they were told.
  static std::vector<std::string> hosts(const HeardNames& heard) {
    std::vector<std::string> list;
    for (const Answer& answer : heard.answers) list.push_back(answer.target + ":" + std::to_string(answer.port));
    return list;
  }
  DnsServer neighbour{far.loop(), {.family = Address::Family::ipv4, .port = 5353}};
};

// RFC 6762 sections 3 and 5.1: names in .local are asked for on the link, and no name server hears of them.
TEST_F(LinkTest, NamesOfTheLinkAreAskedForThere) {
  neighbour.on("A", "printer.local").records = {"192.0.2.77"};
  neighbour.on("AAAA", "printer.local").records = {"2001:db8::77"};
  const auto heard = resolve("Printer.local", {}, 631);
  EXPECT_THAT(heard->addresses(kIpv4), ElementsAre("192.0.2.77"));
  EXPECT_THAT(heard->addresses(kIpv6), ElementsAre("[2001:db8::77]"));
  EXPECT_EQ(heard->when[kIpv4] / 1ms, 10);
  EXPECT_EQ(heard->answers.front().source, "192.0.2.53:5353");
  EXPECT_THAT(server.log, IsEmpty());
  resolve("printer.local", {}, 631);
  EXPECT_EQ(neighbour.asked("A", "printer.local"), 1u) << "it is kept for its time";
  option("multicast", "false");
  EXPECT_EQ(resolve("printer.local")->error(kIpv4), "the name does not exist");
  EXPECT_THAT(server.log, SizeIs(2));
}

TEST_F(LinkTest, SilenceEndsInTime) {
  const auto heard = ask("nobody.local");
  EXPECT_TRUE(world.run_until([&] { return heard->ended.size() == 2; }, 60s));
  EXPECT_EQ(heard->error(kIpv4), "nobody on the link has answered");
  EXPECT_EQ(heard->when[kIpv4] / 1s, 4);
  EXPECT_EQ(neighbour.asked("A", "nobody.local"), 3u) << "at once, after one second and after two more";
}

TEST_F(LinkTest, LostQuestionsAreAskedAgain) {
  neighbour.on("A", "printer.local") = {.records = {"192.0.2.77"}, .ignore = 1};
  const auto heard = ask("printer.local");
  EXPECT_TRUE(world.run_until([&] { return heard->ended.contains(kIpv4); }, 60s));
  EXPECT_EQ(heard->when[kIpv4] / 1ms, 1010);
}

// RACE-32: several host and port pairs; each is told as soon as it is known.
TEST_F(LinkTest, ServicesAreFoundByBrowsing) {
  neighbour.on("PTR", "_ipp._tcp.local").records = {"Office._ipp._tcp.local", "Hall._ipp._tcp.local"};
  neighbour.on("SRV", "office._ipp._tcp.local").records = {"0 0 631 one.local"};
  neighbour.on("SRV", "hall._ipp._tcp.local") = {.records = {"0 0 8631 two.local"}, .after = 300ms};
  const auto heard = ask("local", "ipp", 0, {.ipv6 = false, .ipv4 = false}, "*");
  EXPECT_TRUE(world.run_until([&] { return !heard->answers.empty(); }, 60s));
  EXPECT_EQ(heard->first / 1ms, 20) << "no time is waited for others to answer";
  EXPECT_TRUE(world.run_until([&] { return heard->ended.contains(kService); }, 60s));
  EXPECT_THAT(hosts(*heard), ElementsAre("one.local:631", "two.local:8631"));
  EXPECT_EQ(heard->when[kService] / 1s, 4);
  EXPECT_EQ(heard->error(kService), "");
}

// RFC 6763 section 12: what comes along with an answer is not asked for.
TEST_F(LinkTest, AdditionalRecordsAreUsed) {
  neighbour.on("PTR", "_ipp._tcp.local") = {
      .records = {"Office._ipp._tcp.local"},
      .more = {"SRV Office._ipp._tcp.local 0 0 631 one.local", "A one.local 192.0.2.77", "AAAA one.local 2001:db8::77",
               "A www.example 203.0.113.66"}};
  EXPECT_THAT(hosts(*find("*")), ElementsAre("one.local:631"));
  EXPECT_THAT(resolve("one.local")->addresses(kIpv4), ElementsAre("192.0.2.77"));
  EXPECT_EQ(neighbour.asked("SRV", "office._ipp._tcp.local") + neighbour.asked("A", "one.local"), 0u);
  EXPECT_THAT(resolve("www.example")->addresses(kIpv4), IsEmpty()) << "neighbours speak for names of the link only";
}

// RACE-2: a service instance by its name.
TEST_F(LinkTest, AnInstanceIsFoundByItsName) {
  neighbour.on("SRV", "office._sip._udp.local").records = {"0 0 5060 one.local"};
  EXPECT_THAT(hosts(*find("Office", "sip/udp")), ElementsAre("one.local:5060"));
  EXPECT_EQ(find("Attic", "sip/udp")->error(kService), "nobody on the link has answered");
}

// Elsewhere DNS-SD asks the name servers of the path.
TEST_F(LinkTest, ServicesOfADomainAreAskedOfItsServers) {
  server.on("PTR", "_ipp._tcp.corp.example").records = {"a._ipp._tcp.corp.example", "b._ipp._tcp.corp.example"};
  server.on("SRV", "a._ipp._tcp.corp.example").records = {"0 0 631 one.corp.example"};
  server.on("SRV", "b._ipp._tcp.corp.example").records = {"0 0 632 two.corp.example"};
  const auto heard = find("*", "ipp", "corp.example");
  EXPECT_THAT(hosts(*heard), ElementsAre("one.corp.example:631", "two.corp.example:632"));
  EXPECT_LT(heard->when[kService], 100ms) << "the servers' answer is whole";
  EXPECT_THAT(neighbour.log, IsEmpty());
  EXPECT_EQ(find("*", "none", "corp.example")->error(kService), "the name does not exist");
}

// RACE-92: whatever neighbours say is bounded.
TEST_F(LinkTest, ManyInstancesAreCut) {
  DnsRule& rule = neighbour.on("PTR", "_ipp._tcp.local");
  for (int i = 0; i < 40; ++i) {
    const std::string name = "i" + std::to_string(i) + "._ipp._tcp.local";
    rule.records.push_back(name);
    neighbour.on("SRV", name).records = {"0 0 " + std::to_string(1000 + i) + " h.local"};
  }
  EXPECT_THAT(hosts(*find("*")), SizeIs(16));
}

TEST_F(LinkTest, InstancesOfAnotherTypeAreLeftOut) {
  neighbour.on("PTR", "_ipp._tcp.local").records = {"evil._ssh._tcp.local", "www.example"};
  EXPECT_THAT(hosts(*find("*")), IsEmpty());
  EXPECT_THAT(server.log, IsEmpty());
}

// An answer counts when it comes from the port of multicast DNS with the question's id; others are passed over.
TEST_F(LinkTest, ForeignAnswersArePassedOver) {
  neighbour.on("A", "printer.local") = {.records = {"203.0.113.66"}, .other_id = true};
  const auto heard = ask("printer.local");
  EXPECT_TRUE(world.run_until([&] { return heard->ended.size() == 2; }, 60s));
  EXPECT_THAT(heard->addresses(kIpv4), IsEmpty());
  EXPECT_EQ(heard->error(kIpv4),
            "nobody on the link has answered: passed over 3 datagrams, the last one for another id");
  neighbour.on("A", "broken.local") = {.records = {"203.0.113.66"}, .damage = [](DnsBytes bytes) {
                                         bytes.resize(bytes.size() - 3);
                                         return bytes;
                                       }};
  const auto broken = ask("broken.local");
  EXPECT_TRUE(world.run_until([&] { return broken->ended.size() == 2; }, 60s));
  EXPECT_EQ(broken->error(kIpv4),
            "nobody on the link has answered: passed over 3 datagrams, the last one for a malformed message");
}

TEST_F(LinkTest, ACanceledLookupLeavesNothing) {
  auto heard = ask("nobody.local");
  heard->lookup.reset();
  world.run_for(3s);
  EXPECT_EQ(client.sockets(), 0u);
}

std::string text_of(const std::vector<std::byte>& bytes) {
  std::string text;
  for (const std::byte b : bytes) text += static_cast<char>(b);
  return text;
}

TEST(LinkQuestion, IsWrittenForAnyName) {
  using namespace std::string_literals;
  const auto question = dns::write_question(0x1234, R"(Office\032no\. 1._ipp._tcp.local)", ARES_REC_TYPE_SRV);
  EXPECT_EQ(text_of(question), "\x12\x34\0\0\0\x01\0\0\0\0\0\0\x0cOffice no. 1\4_ipp\4_tcp\5local\0\0\x21\0\1"s);
  EXPECT_THAT(dns::write_question(1, "", ARES_REC_TYPE_A), IsEmpty());
  EXPECT_THAT(dns::write_question(1, "a..local", ARES_REC_TYPE_A), IsEmpty());
  EXPECT_THAT(dns::write_question(1, R"(a\)", ARES_REC_TYPE_A), IsEmpty());
  EXPECT_THAT(dns::write_question(1, R"(a\999.local)", ARES_REC_TYPE_A), IsEmpty());
  EXPECT_THAT(dns::write_question(1, std::string(64, 'x') + ".local", ARES_REC_TYPE_A), IsEmpty());
  std::string longest;
  for (int i = 0; i < 130; ++i) longest += "x.";
  EXPECT_THAT(dns::write_question(1, longest + "local", ARES_REC_TYPE_A), IsEmpty());
  EXPECT_EQ(dns::name_of_instance(R"(a.b\c)", "_ipp._tcp.local"), R"(a\.b\\c._ipp._tcp.local)");
  EXPECT_EQ(dns::name_of_instance("Büro (1)", "_ipp._tcp.local"), R"(B\195\188ro \(1\)._ipp._tcp.local)");
  EXPECT_TRUE(dns::is_of_the_link("a.Local."));
  EXPECT_TRUE(dns::is_of_the_link("local"));
  EXPECT_FALSE(dns::is_of_the_link("notlocal"));
  EXPECT_FALSE(dns::is_of_the_link("local.example"));
}

}  // namespace
}  // namespace trellis::tests
