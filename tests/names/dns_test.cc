// The plugin `dns` in virtual time: its sockets, its clock and its random numbers are those of a simulated host.
#include <gmock/gmock.h>

#include "names_world.h"

namespace trellis::tests {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class DnsTest : public NamesWorld {
 protected:
  DnsTest() { option("nat64", "false"); }  // no address of these tests can be reached
};

// RACE-29, RACE-123: both families are asked for at once, AAAA first, and told as they come.
TEST_F(DnsTest, BothFamiliesAreAskedForAtOnceAndToldAsTheyCome) {
  server.on("AAAA", "a.example") = {.records = {"2001:db8::a"}, .after = 100ms};
  server.on("A", "a.example").records = {"198.51.100.1", "198.51.100.2"};
  const auto heard = resolve("a.example");
  EXPECT_THAT(server.log, ElementsAre("AAAA a.example udp", "A a.example udp"));
  EXPECT_THAT(heard->addresses(kIpv6), ElementsAre("[2001:db8::a]"));
  EXPECT_THAT(heard->addresses(kIpv4), ElementsAre("198.51.100.1", "198.51.100.2"));
  EXPECT_EQ(heard->when[kIpv4] / 1ms, 10);
  EXPECT_EQ(heard->when[kIpv6] / 1ms, 110);
  const Endpoint& endpoint = heard->answers.front().endpoints.front();
  EXPECT_EQ(endpoint.host, "a.example");
  EXPECT_EQ(endpoint.address.port, 443);
  EXPECT_EQ(heard->answers.front().source, "192.0.2.53:53");
  EXPECT_EQ(heard->answers.front().time_to_live, 60s);
  EXPECT_EQ(heard->times[kIpv4], 1);
}

// The same seed gives the same bytes: ids and ports come from the executor.
TEST_F(DnsTest, ARunRepeats) {
  std::vector<std::uint64_t> digests;
  for (int i = 0; i < 2; ++i) {
    VirtualWorld again(7);
    SimNetwork net(again);
    SimHost &one = net.add_host("client"), &two = net.add_host("server");
    net.link(one.add_interface("eth0", {"192.0.2.1"}), two.add_interface("eth0", {"192.0.2.53"}),
             {.delay = 5ms, .loss = 0.3});
    DnsServer names(two.loop(), at("192.0.2.53"));
    names.on("A", "a.example").records = {"198.51.100.1"};
    dns::DnsResolver mine;
    for (int n = 0; n < 20; ++n) {
      HeardNames heard(again);
      heard.lookup = mine.resolve(one.loop(), options, {"a.example", {}, 80, &path}, heard).value();
      EXPECT_TRUE(again.run_until([&] { return heard.ended.size() == 2; }, 60s));
      again.run_for(61s);
    }
    mine.forget(one.loop());
    digests.push_back(again.payload_digest());
    digests.push_back(again.digest());
  }
  EXPECT_EQ(digests[0], digests[2]);
  EXPECT_EQ(digests[1], digests[3]);
}

TEST_F(DnsTest, NamesThatDoNotExistSaySo) {
  const auto heard = resolve("missing.example.");
  EXPECT_EQ(heard->error(kIpv6), "the name does not exist");
  EXPECT_EQ(heard->error(kIpv4), "the name does not exist");
  EXPECT_EQ(heard->ended.at(kIpv4).error().reason, Reason::unresolved);
  server.on("A", "half.example").records = {"198.51.100.1"};
  const auto half = resolve("half.example");
  EXPECT_EQ(half->error(kIpv6), "the name has no such address");
  EXPECT_EQ(half->error(kIpv4), "");
}

// ---- servers that are slow, silent or wrong

TEST_F(DnsTest, LostAnswersAreAskedForAgain) {
  server.on("A", "a.example") = {.records = {"198.51.100.1"}, .ignore = 2};
  const auto heard = resolve("a.example");
  EXPECT_THAT(heard->addresses(kIpv4), ElementsAre("198.51.100.1"));
  EXPECT_EQ(server.asked("A", "a.example"), 3u);
  EXPECT_GT(heard->when[kIpv4], 3s);
}

TEST_F(DnsTest, SilenceEndsInTime) {
  server.on("A", "a.example") = {.ignore = 1000};
  server.on("AAAA", "a.example") = {.ignore = 1000};
  option("timeout-ms", "500");
  option("tries", "2");
  const auto heard = resolve("a.example");
  EXPECT_EQ(heard->error(kIpv4), "no name server has answered");
  EXPECT_LT(heard->when[kIpv4], 3s);
  EXPECT_EQ(server.asked("A", "a.example"), 2u);
}

TEST_F(DnsTest, TheNextServerIsAskedWhenOneIsSilentOrFails) {
  DnsServer second(far.loop(), at("192.0.2.54"));
  provide({at("192.0.2.53"), at("192.0.2.54")});
  server.on("A", "a.example") = {.ignore = 1000};
  server.on("A", "b.example").code = ARES_RCODE_SERVFAIL;
  second.on("A", "a.example").records = second.on("A", "b.example").records = {"198.51.100.7"};
  const auto silent = resolve("a.example");
  EXPECT_THAT(silent->addresses(kIpv4), ElementsAre("198.51.100.7"));
  EXPECT_EQ(silent->answers.back().source, "192.0.2.54:53");
  const auto failing = resolve("b.example");
  EXPECT_THAT(failing->addresses(kIpv4), ElementsAre("198.51.100.7"));
}

// RACE-126: questions go over IPv6 first, an IPv4 server stays although there are many others, and who is silent is
// asked later than the others.
TEST_F(DnsTest, Ipv6ServersAreAskedFirst) {
  DnsServer v6(far.loop(), at("2001:db8::53"));
  server.on("A", "a.example").records = v6.on("A", "a.example").records = {"198.51.100.7"};
  provide({at("192.0.2.53"), at("2001:db8::53")});
  EXPECT_EQ(resolve("a.example")->answers.back().source, "[2001:db8::53]:53");
  std::vector<Address> many(40, at("2001:db8::99"));
  for (std::size_t i = 0; i < many.size(); ++i) many[i].ip[14] = static_cast<std::uint8_t>(i);
  many.push_back(at("192.0.2.53"));
  provide(many);
  option("timeout-ms", "50");
  EXPECT_EQ(resolve("a.example")->answers.back().source, "192.0.2.53:53");
  provide({at("2001:db8::98"), at("192.0.2.53")});
  resolve("a.example");
  world.run_for(1s);
  server.on("A", "b.example").records = {"198.51.100.8"};
  const Duration begun = world.elapsed();
  EXPECT_LT(resolve("b.example")->when[kIpv4] - begun, 40ms) << "it was silent: the other one is asked at once";
}

TEST_F(DnsTest, AnswersWithAnotherIdAreNoAnswers) {
  server.on("A", "a.example") = {.records = {"203.0.113.66"}, .other_id = true};
  option("timeout-ms", "300");
  const auto heard = resolve("a.example");
  EXPECT_THAT(heard->addresses(kIpv4), IsEmpty());
  EXPECT_EQ(heard->error(kIpv4), "no name server has answered: passed over what has come last, for another id");
}

TEST_F(DnsTest, TruncatedAnswersComeOverTcp) {
  DnsRule& rule = server.on("A", "a.example");
  rule.truncate = true;
  for (int i = 1; i <= 60; ++i) rule.records.push_back("198.51.100." + std::to_string(i));
  const auto heard = resolve("a.example");
  EXPECT_THAT(heard->addresses(kIpv4), SizeIs(60));
  EXPECT_THAT(server.log, testing::Contains("A a.example tcp"));
  EXPECT_EQ(client.sockets(), 0u) << "nothing stays open";
}

// RACE-92: what a network says is bounded.
TEST_F(DnsTest, ThousandsOfAddressesAreCutAndSaidSo) {
  DnsRule& rule = server.on("A", "a.example");
  rule.truncate = true;
  for (int i = 0; i < 3000; ++i)
    rule.records.push_back("10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250));
  const auto heard = resolve("a.example");
  EXPECT_THAT(heard->addresses(kIpv4), SizeIs(64));
  EXPECT_EQ(heard->error(kIpv4), "the answer has 3000 addresses, of which the first 64 are used");
  EXPECT_EQ(heard->ended.at(kIpv4).error().reason, Reason::too_large);
}

DnsBytes compression_loop(DnsBytes answer) {
  // The owner of the first record points at itself.
  const std::size_t at = 12 + 11 + 4;  // header, "\1a\7example\0", type and class
  if (answer.size() > at + 2) {
    answer[at] = std::byte{0xc0};
    answer[at + 1] = std::byte{at};
  }
  return answer;
}

TEST_F(DnsTest, DamagedAnswersEndWithAnError) {
  option("timeout-ms", "300");
  server.on("A", "a.example") = {.records = {"198.51.100.1"}, .damage = compression_loop};
  server.on("AAAA", "a.example").records = {"2001:db8::a"};
  const auto loop = resolve("a.example");
  EXPECT_THAT(loop->addresses(kIpv4), IsEmpty());
  EXPECT_THAT(loop->error(kIpv4), testing::HasSubstr(": passed over what has come last, for a malformed message"));
  server.on("A", "b.example") = {.records = {"198.51.100.1"}, .damage = [](DnsBytes answer) {
                                   answer.resize(answer.size() / 2);
                                   return answer;
                                 }};
  EXPECT_THAT(resolve("b.example")->addresses(kIpv4), IsEmpty());
  server.on("A", "c.example") = {.records = {"198.51.100.1"}, .truncate = true, .damage = [](DnsBytes answer) {
                                   if (answer.size() > 40) answer.resize(65535, std::byte{0xc0});
                                   return answer;
                                 }};
  const auto huge = resolve("c.example");
  EXPECT_EQ(huge->times[kIpv4], 1);
  EXPECT_LT(huge->when[kIpv4] - huge->when[kIpv6], 10s);
}

// Over TCP a message that cannot be read ends its connection.
TEST_F(DnsTest, DamagedAnswersOverTcpAreNamed) {
  option("timeout-ms", "300");
  server.on("A", "a.example") = {.records = {"198.51.100.1"}, .truncate = true, .damage = [](DnsBytes answer) {
                                   if (answer.size() > 27) answer.resize(answer.size() - 5);
                                   return answer;
                                 }};
  const auto heard = resolve("a.example");
  EXPECT_THAT(heard->addresses(kIpv4), IsEmpty());
  EXPECT_THAT(server.log, testing::Contains("A a.example tcp"));
  EXPECT_EQ(heard->error(kIpv4), "the answer of the name server is malformed");
}

// ---- aliases and the search list

TEST_F(DnsTest, AliasesAreFollowedWithinAnAnswerAndNotBeyond) {
  server.on("A", "www.example").records = {"> cdn.example", "> edge.example", "198.51.100.9"};
  EXPECT_THAT(resolve("www.example")->addresses(kIpv4), ElementsAre("198.51.100.9"));
  server.on("A", "loop.example").records = {"> b.example", "> loop.example"};
  const auto loop = resolve("loop.example");
  EXPECT_THAT(loop->addresses(kIpv4), IsEmpty());
  EXPECT_EQ(loop->error(kIpv4), "the answer has more than 16 aliases in a row");
}

// API-35: names with few dots are looked for in the path's search domains.
TEST_F(DnsTest, SearchDomainsOfThePath) {
  provide({at("192.0.2.53")}, {"corp.example", "example"});
  server.on("A", "printer.example").records = {"192.0.2.77"};
  const auto heard = resolve("printer");
  EXPECT_THAT(heard->addresses(kIpv4), ElementsAre("192.0.2.77"));
  EXPECT_EQ(heard->error(kIpv6), "the name has no such address");
  EXPECT_THAT(server.log, testing::Contains("A printer.corp.example udp"));
  EXPECT_EQ(heard->answers.front().endpoints.front().host, "printer") << "the name stays what was asked for";
  server.log.clear();
  resolve("printer.");
  EXPECT_THAT(server.log, ElementsAre("AAAA printer udp", "A printer udp"));
}

// ---- paths

// RACE-24, API-256: each path asks its own servers by its own interface.
TEST_F(DnsTest, APathAsksItsOwnServersOnly) {
  network.link(client.add_interface("wlan0", {"203.0.113.1"}), far.add_interface("eth1", {"203.0.113.53"}),
               {.delay = 20ms});
  DnsServer other(far.loop(), at("203.0.113.53"));
  server.on("A", "a.example").records = {"192.0.2.80"};
  other.on("A", "a.example").records = {"203.0.113.80"};
  option("servers", "192.0.2.53");
  EXPECT_THAT(resolve("a.example")->addresses(kIpv4), ElementsAre("192.0.2.80"));
  Path wlan{.id = 2, .interface_name = "wlan0"};
  wlan.provisioning = std::make_shared<const Provisioning>(Provisioning{.dns_servers = {at("203.0.113.53")}});
  std::swap(path, wlan);
  EXPECT_THAT(resolve("a.example")->addresses(kIpv4), ElementsAre("203.0.113.80"));
  EXPECT_EQ(server.log.size(), 2u);
  EXPECT_EQ(other.log.size(), 2u);
}

// ---- what is kept

// IMPL-98, API-253
TEST_F(DnsTest, AnswersAreKeptForTheirTime) {
  server.on("A", "a.example") = {.records = {"198.51.100.1"}, .ttl = 30};
  server.on("AAAA", "a.example") = {.negative_ttl = 10};
  resolve("a.example");
  world.run_for(9s);
  const auto kept = resolve("a.example");
  EXPECT_EQ(kept->first, world.elapsed()) << "at once";
  EXPECT_THAT(kept->addresses(kIpv4), ElementsAre("198.51.100.1"));
  EXPECT_EQ(server.log.size(), 2u);
  world.run_for(2s);
  resolve("a.example");
  EXPECT_EQ(server.asked("AAAA", "a.example"), 2u) << "no longer than its SOA says";
  EXPECT_EQ(server.asked("A", "a.example"), 1u);
  world.run_for(20s);
  resolve("a.example");
  EXPECT_EQ(server.asked("A", "a.example"), 2u);
}

TEST_F(DnsTest, TheCacheIsBoundedAndCanBeOff) {
  option("cache-entries", "2");
  for (const char* name : {"a.example", "b.example", "c.example"}) server.on("A", name).records = {"198.51.100.1"};
  for (const char* name : {"a.example", "b.example", "c.example", "a.example"}) resolve(name);
  EXPECT_EQ(server.asked("A", "a.example"), 2u);
  resolve("a.example");
  EXPECT_EQ(server.asked("A", "a.example"), 2u);
  option("cache-entries", "0");
  resolve("a.example");
  resolve("a.example");
  EXPECT_EQ(server.asked("A", "a.example"), 4u);
}

TEST_F(DnsTest, EqualQuestionsAreAskedOnce) {
  server.on("A", "a.example").records = {"198.51.100.1"};
  const auto one = ask("a.example"), two = ask("A.Example");
  EXPECT_TRUE(world.run_until([&] { return one->ended.size() == 2 && two->ended.size() == 2; }));
  EXPECT_EQ(server.log.size(), 2u);
  EXPECT_EQ(two->answers.front().endpoints.front().host, "A.Example");
}

// RACE-120, RACE-131: what was asked for a lookup that is over still feeds the cache, for a second.
TEST_F(DnsTest, AnswersOfACanceledLookupFeedTheCache) {
  server.on("A", "a.example") = {.records = {"198.51.100.1"}, .after = 500ms};
  server.on("A", "b.example") = {.records = {"198.51.100.1"}, .after = 1500ms};
  ask("a.example");
  ask("b.example");
  EXPECT_TRUE(world.run_until_idle(10s));
  EXPECT_EQ(client.sockets(), 0u);
  resolve("a.example");
  EXPECT_EQ(server.asked("A", "a.example"), 1u);
  resolve("b.example");
  EXPECT_GE(server.asked("A", "b.example"), 2u);
}

TEST_F(DnsTest, ALookupMayEndInsideItsOwnAnswer) {
  server.on("A", "a.example").records = {"198.51.100.1"};
  server.on("AAAA", "a.example").records = {"2001:db8::1"};
  const auto heard = ask("a.example");
  heard->cancel = true;
  EXPECT_TRUE(world.run_until_idle(10s));
  EXPECT_THAT(heard->answers, SizeIs(1));
  EXPECT_THAT(heard->ended, IsEmpty());
}

TEST_F(DnsTest, ServersThatMakeNoSenseAreRefused) {
  path.provisioning = nullptr;
  option("servers", "name.example");
  HeardNames heard(world);
  const auto lookup = resolver->resolve(client.loop(), options, {"a.example", {}, 80, &path}, heard);
  ASSERT_FALSE(lookup);
  EXPECT_EQ(lookup.error().reason, Reason::configuration);
  EXPECT_THAT(lookup.error().detail, HasSubstr("found name servers \"name.example:53\", expected addresses"));
}

TEST_F(DnsTest, NamesThatCannotBeAskedSaySo) {
  for (const std::string& name :
       {std::string(64, 'a') + ".example", std::string("empty..label"), std::string(300, 'b')}) {
    const auto heard = resolve(name);
    EXPECT_THAT(heard->error(kIpv4), HasSubstr("labels have 1 to 63 bytes")) << name;
  }
  EXPECT_THAT(server.log, IsEmpty());
}

}  // namespace
}  // namespace trellis::tests
