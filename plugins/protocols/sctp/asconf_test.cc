// asconf_test.cc: what is in ASCONF and ASCONF-ACK chunks (RFC 5061 section 4), against bytes put together by hand.
#include "asconf.h"

#include <gmock/gmock.h>

#include "octets_of.h"
#include "peer_addresses.h"

namespace trellis::sctp {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Address one_at(const char* text) { return read_addresses(text).value().front(); }

constexpr std::string_view kAddAndRemove =
    "01020304"
    "000500080a010001"  // serial number, an address
    "c001001c00000000"
    "0006001420010db8000000000000000000000007"  // add an IPv6 address
    "c002001000000001"
    "000500080a010001"  // remove an IPv4 address
    "c004001000000002"
    "0005000800000000";  // the wildcard as the primary one

TEST(Asconf, IsWritten) {
  const AddressRequest all[] = {
      {Change::add, one_at("2001:db8::7")}, {Change::remove, one_at("10.1.0.1")}, {Change::prefer, {}}};
  EXPECT_EQ(write_asconf(0x01020304, one_at("10.1.0.1"), all), octets_of(kAddAndRemove));
}

TEST(Asconf, IsRead) {
  const auto value = octets_of(kAddAndRemove);
  const auto read = read_asconf(value);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->serial, 0x01020304u);
  ASSERT_EQ(read->requests.size(), 3u);
  EXPECT_EQ(read->requests[0].request, (AddressRequest{Change::add, one_at("2001:db8::7")}));
  EXPECT_EQ(read->requests[1].request, (AddressRequest{Change::remove, one_at("10.1.0.1")}));
  EXPECT_EQ(read->requests[2].request, (AddressRequest{Change::prefer, {}}));
  EXPECT_EQ(read->requests[1].correlation, 1u);
  for (std::size_t size = 0; size < value.size(); ++size) {
    const auto part = read_asconf(std::span(value).first(size));
    EXPECT_EQ(part.has_value(), size >= 12) << size;
    EXPECT_LT(part ? part->requests.size() : 0, 3u) << size;
  }
}

// Of other kinds, too short, with an address that is none, or with something behind it.
TEST(Asconf, RequestsThatAreNone) {
  for (const char* one : {"c0060010000000000005000800000000", "c0010004", "c001000800000000",
                          "c00100060000"
                          "0000",
                          "c001000e00000000"
                          "000500060a02"
                          "0000",
                          "c001001400000000"
                          "000500080a02000100000000",
                          "c001001000000000"
                          "000600080a020001",
                          "c001001000000000"
                          "000500040a020001"}) {
    const auto value = octets_of(std::string("00000001000500080a010001") + one);
    const auto read = read_asconf(value);
    ASSERT_TRUE(read) << one;
    ASSERT_EQ(read->requests.size(), 1u) << one;
    EXPECT_FALSE(read->requests[0].request) << one;
  }
  EXPECT_FALSE(read_asconf(octets_of("00000001000600080a010001"))) << "no address that is known";
}

// RFC 9260 section 3.2.1: what an unknown type wants.
TEST(Asconf, UnknownTypes) {
  const std::string add =
      "c001001000000007"
      "000500080a020001";
  const auto kinds = [&](const char* unknown) {
    const auto value = octets_of(std::string("00000001000500080a010001") + unknown + add);
    const auto read = read_asconf(value).value();
    AsconfAck ack(1);
    for (const auto& one : read.requests) ack.add(one, one.request ? Cause::none : Cause::unrecognized_parameters);
    return ack.value();
  };
  EXPECT_EQ(kinds("1001000800000005"), octets_of("00000001")) << "go no further, say nothing";
  EXPECT_EQ(kinds("5001000800000005"), octets_of("00000001"
                                                 "c003001400000005"
                                                 "0008000c"
                                                 "5001000800000005"));
  EXPECT_EQ(kinds("9001000800000005"), octets_of("00000001"
                                                 "c005000800000007"));
  EXPECT_EQ(kinds("d001000800000005"), octets_of("00000001"
                                                 "c003001400000005"
                                                 "0008000c"
                                                 "d001000800000005"
                                                 "c005000800000007"));
}

TEST(AsconfAck, IsReadAsItIsMeant) {
  const auto read = [](const char* digits, std::size_t requests) {
    return read_asconf_ack(octets_of(digits), requests).value();
  };
  EXPECT_THAT(read("00000001", 2), ElementsAre(Cause::none, Cause::none)) << "no word is success";
  EXPECT_THAT(read("00000001"
                   "c003000c00000001"
                   "00a10004",
                   3),
              ElementsAre(Cause::none, Cause::resource_shortage, Cause::resource_shortage))
      << "but not behind a failure";
  EXPECT_THAT(read("00000001"
                   "c003000c00000000"
                   "00a20004"
                   "c005000800000001",
                   3),
              ElementsAre(Cause::source_address, Cause::none, Cause::source_address));
  EXPECT_THAT(read("00000001"
                   "c003000c00000000"
                   "00000004",
                   1),
              ElementsAre(Cause::no_authorization));
  EXPECT_THAT(read("00000001"
                   "c003000c00000009"
                   "00a20004"
                   "c0030008000000000"
                   "c005",
                   1),
              ElementsAre(Cause::none))
      << "of what was not asked, and cut off";
  EXPECT_THAT(read("00000001"
                   "c005000800000000",
                   0),
              IsEmpty());
  EXPECT_FALSE(read_asconf_ack(octets_of("000001"), 1));
}

// A chunk with very many requests is answered as far as an answer has room.
TEST(AsconfAck, IsBounded) {
  std::string digits = "00000001000500080a010001";
  for (int i = 0; i < 100; ++i) digits += "c001001000000000000500080a020001";
  const auto value = octets_of(digits);
  const auto read = read_asconf(value).value();
  EXPECT_LE(read.requests.size(), 16u);
  AsconfAck ack(1);
  std::size_t added = 0;
  while (added < 1000 && ack.add(read.requests[0], Cause::last_address)) ++added;
  EXPECT_LE(ack.value().size(), 1024u);
  EXPECT_GT(added, 16u);
}

}  // namespace
}  // namespace trellis::sctp
