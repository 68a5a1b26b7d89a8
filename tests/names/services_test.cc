// HTTPS and SRV records as the plugin `dns` tells them (RFC 9460, RFC 2782).
#include <gmock/gmock.h>

#include "dns_lookup.h"
#include "names_world.h"
#include "service_parameters.h"

namespace trellis::tests {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class ServicesTest : public NamesWorld {
 protected:
  ServicesTest() {
    option("nat64", "false");  // no address of these tests can be reached
    server.on("A", "a.example").records = {"198.51.100.1"};
    server.on("AAAA", "a.example").records = {"2001:db8::a"};
  }
  static std::vector<Answer> services(const HeardNames& heard) {
    std::vector<Answer> list;
    for (const Answer& answer : heard.answers) {
      if (answer.kind == kService) list.push_back(answer);
    }
    return list;
  }
};

// RACE-30, RACE-140: services first, then AAAA, then A, back to back.
TEST_F(ServicesTest, AreAskedForFirst) {
  server.on("HTTPS", "a.example").records = {"1 . alpn=h3,h2 port=8443"};
  const auto heard = resolve("a.example", "https");
  EXPECT_THAT(server.log, ElementsAre("HTTPS a.example udp", "AAAA a.example udp", "A a.example udp"));
  const auto found = services(*heard);
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_THAT(found[0].alpn, ElementsAre("h3", "h2", "")) << "what is spoken where nothing is said is spoken too";
  EXPECT_EQ(found[0].priority, 1);
  EXPECT_EQ(found[0].port, 8443);
  EXPECT_EQ(found[0].target, "") << "its addresses are those of the name";
  EXPECT_EQ(heard->error(kService), "");
}

TEST_F(ServicesTest, AreNotAskedForWhereTheOptionsSaySo) {
  option("ask-https-records", "false");
  const auto heard = ask("a.example", "https");
  EXPECT_TRUE(world.run_until([&] { return heard->ended.size() == 2; }, 10s));
  EXPECT_EQ(server.asked("HTTPS", "a.example"), 0u);
}

// RFC 9460 section 9.1: another port than 443 has a name of its own.
TEST_F(ServicesTest, OfAnotherPortHaveANameOfTheirOwn) {
  server.on("HTTPS", "_8443._https.a.example").records = {"1 . alpn=h3"};
  const auto found = services(*resolve("a.example", "https", 8443));
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(dns::name_of_service("a.example", "sip/udp", 0), "_sip._udp.a.example");
  EXPECT_EQ(dns::name_of_service("a.example", "xmpp-client", 5222), "_xmpp-client._tcp.a.example");
}

// RACE-149: lower priority first.
TEST_F(ServicesTest, ComeByPriority) {
  server.on("HTTPS", "a.example").records = {"20 . alpn=h2", "10 . alpn=h3", "30 . alpn=h2 port=444"};
  const auto found = services(*resolve("a.example", "https"));
  ASSERT_THAT(found, SizeIs(3));
  EXPECT_EQ(found[0].priority, 10);
  EXPECT_EQ(found[2].port, 444);
}

// RACE-146, RACE-161: the addresses of another target are asked for; until they are known its hints count.
TEST_F(ServicesTest, OfAnotherTargetGetItsAddresses) {
  server.on("HTTPS", "a.example").records = {"1 alt.example. alpn=h3 hint=203.0.113.9 hint=2001:db8::9"};
  server.on("A", "alt.example") = {.records = {"203.0.113.10"}, .after = 50ms};
  server.on("AAAA", "alt.example").records = {"2001:db8::10"};
  const auto heard = resolve("a.example", "https");
  const auto found = services(*heard);
  ASSERT_THAT(found, SizeIs(3));
  EXPECT_TRUE(found[0].hints);
  ASSERT_THAT(found[0].endpoints, SizeIs(2));
  EXPECT_EQ(found[0].target, "alt.example");
  EXPECT_FALSE(found[1].hints);
  EXPECT_EQ(to_text(found[1].endpoints[0].address), "[2001:db8::10]:443");
  EXPECT_EQ(to_text(found[2].endpoints[0].address), "203.0.113.10:443");
  EXPECT_EQ(found[2].endpoints[0].host, "a.example") << "the name stays what was asked for: it is whom TLS must find";
  EXPECT_GT(heard->when[kService], heard->when[kIpv4]);
}

// RACE-145: AliasMode is followed, and has an end.
TEST_F(ServicesTest, AliasesAreFollowed) {
  server.on("HTTPS", "a.example").records = {"0 b.example."};
  server.on("HTTPS", "b.example").records = {"0 c.example."};
  server.on("HTTPS", "c.example").records = {"1 . alpn=h3"};
  server.on("A", "c.example").records = {"203.0.113.3"};
  const auto found = services(*resolve("a.example", "https"));
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(found[0].target, "c.example");
  EXPECT_EQ(to_text(found[1].endpoints[0].address), "203.0.113.3:443");
}

TEST_F(ServicesTest, AnAliasOfANameWithoutServicesGivesItsAddresses) {
  server.on("HTTPS", "a.example").records = {"0 pool.example."};
  server.on("A", "pool.example").records = {"203.0.113.4"};
  const auto found = services(*resolve("a.example", "https"));
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_THAT(found[1].alpn, ElementsAre(""));
  EXPECT_EQ(to_text(found[1].endpoints[0].address), "203.0.113.4:443");
}

TEST_F(ServicesTest, AliasesInACircleEnd) {
  server.on("HTTPS", "a.example").records = {"0 b.example."};
  server.on("HTTPS", "b.example").records = {"0 a.example."};
  const auto heard = resolve("a.example", "https");
  EXPECT_EQ(heard->error(kService), "more than 8 aliases in a row");
  EXPECT_THAT(heard->addresses(kIpv4), ElementsAre("198.51.100.1")) << "the name itself is still there";
}

// RACE-161: a record that asks for what is not supported is ignored.
TEST_F(ServicesTest, WhatMustBeUnderstoodAndIsNotIsLeftOut) {
  server.on("HTTPS", "a.example").records = {"1 . mandatory=5 alpn=h3 key5=x", "2 . mandatory=1,3 alpn=h2 port=444"};
  const auto found = services(*resolve("a.example", "https"));
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].priority, 2);
  server.on("HTTPS", "b.example").records = {"1 . mandatory=5 alpn=h3 key5=x"};
  EXPECT_EQ(resolve("b.example", "https")->error(kService),
            "every service record asks for something that is not supported");
}

// RACE-141: a negative answer ends the waiting for services.
TEST_F(ServicesTest, NoneIsAnAnswerToo) {
  const auto heard = resolve("a.example", "https");
  EXPECT_EQ(heard->error(kService), "the name has no such records");
  EXPECT_EQ(heard->when[kService] / 1ms, 10);
}

// RACE-154, RACE-155, RACE-156: where DNS is protected, nothing is attempted before the answer about HTTPS records is
// there, and nothing at all when it is kept away.
TEST_F(ServicesTest, AreInsistedOnWhereDnsIsProtected) {
  option("protected", "true");
  server.on("HTTPS", "a.example") = {.records = {"1 . alpn=h2"}, .after = 300ms};
  const auto late = resolve("a.example", "https");
  EXPECT_EQ(late->first / 1ms, 310) << "addresses were there after 10 ms";
  EXPECT_THAT(late->addresses(kIpv4), ElementsAre("198.51.100.1"));
  world.run_for(61s);
  server.on("HTTPS", "a.example") = {};
  EXPECT_THAT(resolve("a.example", "https")->addresses(kIpv4), ElementsAre("198.51.100.1")) << "none is an answer";
  world.run_for(61s);
  server.on("HTTPS", "a.example").code = ARES_RCODE_SERVFAIL;
  const auto kept_away = resolve("a.example", "https");
  EXPECT_THAT(kept_away->addresses(kIpv4), IsEmpty());
  for (const auto kind : {kIpv6, kIpv4, kService})
    EXPECT_THAT(kept_away->error(kind),
                testing::StartsWith("without an answer about HTTPS records nothing is attempted"));
  EXPECT_THAT(resolve("a.example")->addresses(kIpv4), ElementsAre("198.51.100.1")) << "not HTTP";
}

TEST_F(ServicesTest, SrvRecordsSayWhereAServiceIs) {
  server.on("SRV", "_chat._tcp.a.example").records = {"10 0 5222 one.example.", "5 0 5223 two.example."};
  server.on("A", "one.example").records = {"203.0.113.1"};
  server.on("A", "two.example").records = {"203.0.113.2"};
  const auto heard = resolve("a.example", "chat", 0);
  const auto found = services(*heard);
  ASSERT_THAT(found, SizeIs(4));
  EXPECT_EQ(found[0].target, "two.example");
  EXPECT_EQ(found[0].port, 5223);
  EXPECT_EQ(to_text(found[2].endpoints[0].address), "203.0.113.2:5223");
  EXPECT_EQ(to_text(found[3].endpoints[0].address), "203.0.113.1:5222");
}

TEST_F(ServicesTest, SrvWeightsAreProbabilities) {
  server.on("SRV", "_chat._tcp.a.example") = {.records = {"1 90 1 heavy.example.", "1 10 2 light.example."},
                                              .ttl = 3600};
  int heavy = 0;
  for (int i = 0; i < 200; ++i) heavy += services(*resolve("a.example", "chat", 0)).front().port == 1;
  EXPECT_GT(heavy, 150);
  EXPECT_LT(heavy, 200);
}

TEST_F(ServicesTest, SrvMaySayThatThereIsNoService) {
  server.on("SRV", "_chat._tcp.a.example").records = {"0 0 0 ."};
  EXPECT_EQ(resolve("a.example", "chat", 0)->error(kService), "the service is decidedly not available at this name");
}

// ---- parameters, byte by byte (RACE-160)

std::string fault(std::initializer_list<std::pair<int, std::vector<unsigned char>>> given,
                  dns::ServiceRecord* out = nullptr) {
  const std::vector<std::pair<int, std::vector<unsigned char>>> values(given);
  std::vector<dns::ServiceParameter> parameters;
  for (const auto& [key, value] : values) parameters.push_back({static_cast<std::uint16_t>(key), value});
  dns::ServiceRecord record;
  std::string what = dns::read_parameters(parameters, record);
  if (out != nullptr) *out = record;
  return what;
}

TEST(ServiceParameters, AreReadStrictly) {
  dns::ServiceRecord record;
  EXPECT_EQ(fault({{1, {2, 'h', '3'}}, {3, {0x01, 0xbb}}, {4, {192, 0, 2, 1}}}, &record), "");
  EXPECT_THAT(record.alpn, ElementsAre("h3"));
  EXPECT_EQ(record.port, 443);
  EXPECT_TRUE(record.default_alpn);
  EXPECT_THAT(record.hints, SizeIs(1));
  EXPECT_EQ(fault({{1, {2, 'h', '3'}}, {2, {}}}, &record), "");
  EXPECT_FALSE(record.default_alpn);
  EXPECT_EQ(fault({{5, {1, 2, 3}}, {65280, {9}}}, &record), "") << "ech and private keys are ignored";
  EXPECT_EQ(fault({{3, {1, 1}}, {1, {1, 'x'}}}), "key1 is not behind the one before it");
  EXPECT_EQ(fault({{3, {1, 1}}, {3, {1, 1}}}), "key3 is not behind the one before it");
  EXPECT_EQ(fault({{1, {}}}), "alpn is empty, expected at least one protocol");
  EXPECT_EQ(fault({{1, {3, 'h', '3'}}}), "a protocol of alpn reaches beyond its end, or is empty");
  EXPECT_EQ(fault({{1, {0}}}), "a protocol of alpn reaches beyond its end, or is empty");
  EXPECT_EQ(fault({{2, {}}}), "no-default-alpn stands without alpn");
  EXPECT_EQ(fault({{1, {1, 'x'}}, {2, {1}}}), "no-default-alpn has 1 bytes, expected none");
  EXPECT_EQ(fault({{3, {1}}}), "port has 1 bytes, expected 2");
  EXPECT_EQ(fault({{3, {0, 0}}}), "port is 0");
  EXPECT_EQ(fault({{4, {1, 2, 3}}}), "ipv4hint has 3 bytes, expected 4 for each");
  EXPECT_EQ(fault({{6, {1, 2, 3, 4}}}), "ipv6hint has 4 bytes, expected 16 for each");
  EXPECT_EQ(fault({{0, {0, 3}}}), "mandatory lists key3, which is not there");
  EXPECT_EQ(fault({{0, {0, 0}}}), "mandatory lists keys twice, out of order, or itself");
  EXPECT_EQ(fault({{0, {0}}}), "mandatory has 1 bytes, expected pairs of bytes");
  EXPECT_EQ(fault({{0, {0xff, 0}}, {0xff00, {1}}}, &record), "");
  EXPECT_FALSE(record.compatible);
}

}  // namespace
}  // namespace trellis::tests
