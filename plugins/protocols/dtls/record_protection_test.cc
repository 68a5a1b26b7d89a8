// Records are opened once, by whoever has the key, and only as they were sealed.
#include "record_protection.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "handshake.h"
#include "heap_pool.h"

namespace trellis::dtls {
namespace {

struct Protection : testing::TestWithParam<std::uint16_t> {
  Protection() {
    master.secret.assign(48, 7);
    master.client_random.assign(32, 1);
    master.server_random.assign(32, 2);
    server.emplace(*RecordKeys::derive(GetParam(), master, true));
    client.emplace(*RecordKeys::derive(GetParam(), master, false));
    sealer.emplace(*client, kFirstSealed);
    opener.emplace(*server);
  }
  Slice slice(std::string_view text, std::uint32_t before = 0, std::uint32_t behind = 0) {
    Slice made = pool.allocate(before, static_cast<std::uint32_t>(text.size()), behind);
    if (!text.empty()) std::memcpy(made.edit().data(), text.data(), text.size());
    return made;
  }
  std::string open(Slice record) {
    const auto header = RecordHeader::read(record.bytes());
    if (!header || record.size() != kRecordHeader + header->length) return "(no record)";
    const auto content = opener->open(*header, std::move(record), pool);
    if (!content) return "(dropped)";
    return {reinterpret_cast<const char*>(content->bytes().data()), content->size()};
  }
  Slice copy(const Slice& of) { return slice({reinterpret_cast<const char*>(of.bytes().data()), of.size()}); }
  Slice seal(std::string_view text) {
    return sealer->seal(ContentType::application_data, slice(text, kHeadroom, kTailroom), pool);
  }
  tls::HeapPool pool;
  tls::MasterSecret master;
  std::optional<RecordKeys> server, client;
  std::optional<Sealer> sealer;
  std::optional<Opener> opener;
};

TEST_P(Protection, WhatIsSealedIsOpened) {
  EXPECT_EQ(open(seal("hello")), "hello");
  EXPECT_EQ(open(seal("")), "");
  EXPECT_EQ(open(sealer->seal(ContentType::application_data, slice("no room around it"), pool)), "no room around it");
  EXPECT_EQ(open(seal(std::string(kFragmentMost, 'x'))), std::string(kFragmentMost, 'x'));
}

TEST_P(Protection, TheOverheadIsAsSaid) { EXPECT_LE(seal("").size(), kOverhead); }

TEST_P(Protection, EachByteCounts) {
  const Slice record = seal("hello");
  for (std::uint32_t i = 0; i < record.size(); ++i) {
    Slice damaged = copy(record);
    damaged.edit()[i] ^= std::byte{1};
    const std::string got = open(std::move(damaged));
    EXPECT_TRUE(got == "(dropped)" || got == "(no record)") << i << ": " << got;
  }
  EXPECT_EQ(open(copy(record)), "hello") << "forged ones change nothing";
}

TEST_P(Protection, OnceAndInAnyOrder) {
  std::vector<Slice> records;
  for (int i = 0; i < 200; ++i) records.push_back(seal(std::to_string(i)));
  std::ranges::shuffle(records, std::mt19937(3));
  for (const Slice& record : records) EXPECT_NE(open(copy(record)), "(dropped)");
  for (const Slice& record : records) EXPECT_EQ(open(copy(record)), "(dropped)");
  EXPECT_EQ(opener->replayed(), 200u);
  EXPECT_EQ(opener->forged(), 0u);
}

TEST_P(Protection, WhatIsTooOldIsDropped) {
  const Slice first = seal("first");
  for (std::uint64_t i = 0; i < ReplayWindow::kSize; ++i) open(seal("later"));
  EXPECT_EQ(open(copy(first)), "(dropped)");
}

TEST_P(Protection, OurOwnRecordsAreNotThePeers) {
  opener.emplace(*client);
  EXPECT_EQ(open(seal("reflected")), "(dropped)");
}

INSTANTIATE_TEST_SUITE_P(Suites, Protection, testing::Values(0xc02b, 0xc02c, 0xc02f, 0xc030, 0xcca8, 0xcca9));

TEST(RecordKeys, OtherSuitesAreNone) {
  const auto keys = RecordKeys::derive(0x003c, {}, true);
  ASSERT_FALSE(keys);
  EXPECT_EQ(keys.error().detail, "the keys of the records: cipher suite 0x003c is none of ours");
}

}  // namespace
}  // namespace trellis::dtls
