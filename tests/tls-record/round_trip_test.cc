// What was sealed is opened again, however it was cut on the way; and where its bytes lie meanwhile.
#include <algorithm>
#include <random>

#include "allocation_count.h"
#include "record_world.h"

namespace trellis::tls::tests {
namespace {

struct RoundTrip : testing::TestWithParam<CipherSuite> {
  Batch seal(Batch& plain) {
    Batch out;
    EXPECT_TRUE(sealer.seal(ContentType::application_data, plain, out, pool).has_value());
    EXPECT_TRUE(plain.empty());
    return out;
  }
  SizeClassPool pool;
  TrafficSecret secret = tests::secret(GetParam());
  RecordSealer sealer{key(secret, Direction::seal)};
  Receiver receiver{secret};
};

// The bytes of `stream` in slices of random sizes, with an empty one now and then.
Batch cut_at_random(const Bytes& stream, std::mt19937& random, std::size_t most, BlockPool& pool) {
  Batch batch;
  for (std::size_t at = 0; at < stream.size();) {
    const std::size_t n = std::min<std::size_t>(random() % (most + 1), stream.size() - at);
    batch.add({slice(pool, std::span(stream).subspan(at, n))});
    at += n;
  }
  return batch;
}

// Sizes of chunks that an application might send.
std::size_t size_of_chunk(std::mt19937& random) {
  switch (random() % 5) {
    case 0: return random() % 3;
    case 1: return random() % 500;
    case 2: return RecordSealer::kSmall - 2 + random() % 4;
    case 3: return kPlaintextMax - 20 + random() % 40;
    default: return random() % 100'000;
  }
}

TEST_P(RoundTrip, OfAnythingCutAnywhere) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    Batch plain;
    Bytes sent;
    for (unsigned i = 0; i < 12; ++i) {
      const Bytes bytes = pattern(size_of_chunk(random), random());
      sent.insert(sent.end(), bytes.begin(), bytes.end());
      plain.add({slice(pool, bytes, random() % 2 ? kHeadroom : 0, random() % 2 ? kTailroom : 0)});
    }
    const std::size_t before = receiver.received.size();
    const Bytes stream = all_of(seal(plain));
    const std::size_t most[] = {1, 7, 5000, 70'000};
    Batch cut = cut_at_random(stream, random, most[seed % 4], pool);
    receiver.take(cut);
    ASSERT_FALSE(receiver.error) << receiver.error->detail;
    EXPECT_FALSE(receiver.cutter.partial());
    EXPECT_EQ(receiver.opener.sequence(), sealer.sequence());
    for (std::size_t i = before; i < receiver.received.size(); ++i) EXPECT_GT(receiver.received[i].payload.size(), 0u);
    EXPECT_TRUE(receiver.data() == sent);
    receiver.received.clear();
  }
}

// TCPLS-16
TEST_P(RoundTrip, OfEverySizeAroundTheEdges) {
  const std::uint32_t sizes[] = {
      1, 15, 16, 17, 255, kPlaintextMax - 1, kPlaintextMax, kPlaintextMax + 1, 2 * kPlaintextMax};
  for (const std::uint32_t size : sizes) {
    Batch plain;
    plain.add({slice(pool, pattern(size), kHeadroom, kTailroom)});
    Batch records = seal(plain);
    EXPECT_EQ(records.size(), (size + kPlaintextMax - 1) / kPlaintextMax);
    EXPECT_EQ(records.bytes(), size + records.size() * (kHeadroom + kTailroom));
    receiver.take(records);
    EXPECT_TRUE(receiver.data() == pattern(size)) << size;
    receiver.received.clear();
  }
}

TEST_P(RoundTrip, OfAlertsTicketsAndEmptyRecords) {
  const Bytes ticket = hex("04000003aabbcc");
  Batch records;
  ASSERT_TRUE(sealer.seal(ContentType::handshake, slice(pool, ticket), records, pool).has_value());
  ASSERT_TRUE(sealer.seal(ContentType::application_data, Slice{}, records, pool).has_value());
  ASSERT_TRUE(sealer.seal(AlertDescription::user_canceled, records, pool).has_value());
  ASSERT_TRUE(sealer.seal(AlertDescription::close_notify, records, pool).has_value());
  receiver.take(records);
  ASSERT_FALSE(receiver.error);
  ASSERT_EQ(receiver.received.size(), 4u);
  EXPECT_EQ(receiver.received[0].type, ContentType::handshake);
  EXPECT_EQ(receiver.received[0].payload, ticket);
  EXPECT_EQ(receiver.received[1].type, ContentType::application_data);  // TCPLS-111
  EXPECT_EQ(receiver.received[2].payload, hex("015a"));
  EXPECT_EQ(receiver.received[3].payload, hex("0100"));
  EXPECT_TRUE(receiver.opener.closed());
}

TEST_P(RoundTrip, FatalAlertsSayThatTheyAre) {
  Batch records;
  ASSERT_TRUE(sealer.seal(AlertDescription::bad_record_mac, records, pool).has_value());
  receiver.take(records);
  EXPECT_EQ(receiver.received[0].payload, hex("0214"));
  EXPECT_EQ(receiver.received[0].alert, AlertDescription::bad_record_mac);
  EXPECT_TRUE(receiver.opener.closed());
}

TEST_P(RoundTrip, KeyUpdatesFollowEachOther) {
  TrafficSecret sending = secret;
  for (int generation = 0; generation < 5; ++generation) {
    Batch plain, records;
    plain.add({slice(pool, text("before"))});
    records = seal(plain);
    const Bytes update = hex(generation % 2 ? "1800000101" : "1800000100");
    ASSERT_TRUE(sealer.seal(ContentType::handshake, slice(pool, update), records, pool).has_value());
    sending = *sending.next();
    sealer.rekey(key(sending, Direction::seal));
    EXPECT_EQ(sealer.sequence(), 0u);
    receiver.take(records);
    ASSERT_FALSE(receiver.error) << receiver.error->detail;
    EXPECT_EQ(receiver.received.back().key_update,
              generation % 2 ? KeyUpdate::update_requested : KeyUpdate::update_not_requested);
  }
}

INSTANTIATE_TEST_SUITE_P(Suites, RoundTrip, testing::ValuesIn(kSuites));

struct Memory : testing::Test {
  SizeClassPool pool;
  TrafficSecret secret = tests::secret(CipherSuite::aes_128_gcm_sha256);
  RecordSealer sealer{key(secret, Direction::seal)};
  RecordCutter cutter;
  RecordOpener opener{key(secret, Direction::open)};

  Batch sealed(Batch& plain) {
    Batch out;
    EXPECT_TRUE(sealer.seal(ContentType::application_data, plain, out, pool).has_value());
    return out;
  }
  Batch sealed(Slice&& data) {
    Batch plain;
    plain.add({std::move(data)});
    return sealed(plain);
  }
};

TEST_F(Memory, DataWithRoomAroundItIsSealedAndOpenedWhereItIs) {
  Slice data = slice(pool, pattern(1000), kHeadroom, kTailroom);
  const std::byte* const place = data.bytes().data();
  Batch records = sealed(std::move(data));
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records.front().data.bytes().data(), place - kHeadroom);
  auto record = cutter.next(records, pool);
  auto opened = opener.open(std::move(*record));
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(opened->payload.bytes().data(), place);
  EXPECT_TRUE(std::ranges::equal(opened->payload.bytes(), pattern(1000)));
}

TEST_F(Memory, TheLastRecordOfLongDataStaysWhereItIs) {
  Slice data = slice(pool, pattern(40'000), kHeadroom, kTailroom);
  const std::byte* const place = data.bytes().data();
  const Batch records = sealed(std::move(data));
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records.begin()[2].data.bytes().data(), place + std::size_t{2} * kPlaintextMax - kHeadroom);
}

TEST_F(Memory, SharedDataIsNotTouched) {
  Slice data = slice(pool, pattern(1000), kHeadroom, kTailroom);
  const Slice other = data.share();
  const Batch records = sealed(std::move(data));
  EXPECT_TRUE(std::ranges::equal(other.bytes(), pattern(1000)));
  // Nor is a record that somebody else still reads.
  Slice record = slice(pool, all_of(records));
  const Slice reader = record.share();
  Batch received;
  received.add({std::move(record)});
  auto cut = cutter.next(received, pool);
  ASSERT_TRUE(cut.has_value() && cut->size() > 0);
  EXPECT_TRUE(opener.open(std::move(*cut)).has_value());
  EXPECT_TRUE(std::ranges::equal(reader.bytes(), all_of(records)));
}

TEST_F(Memory, SmallChunksShareARecordAndLargeOnesDoNot) {
  Batch plain;
  for (int i = 0; i < 10; ++i) plain.add({slice(pool, pattern(100))});
  EXPECT_EQ(sealed(plain).size(), 1u);
  for (int i = 0; i < 6; ++i) plain.add({slice(pool, pattern(RecordSealer::kSmall - 1))});
  EXPECT_EQ(sealed(plain).size(), 2u);  // four fit one record
  for (int i = 0; i < 3; ++i) plain.add({slice(pool, pattern(RecordSealer::kSmall))});
  EXPECT_EQ(sealed(plain).size(), 3u);
}

// A record of frames or a handshake message is not mixed with the next.
TEST_F(Memory, OnlyApplicationDataSharesRecords) {
  Batch plain, out;
  for (int i = 0; i < 3; ++i) plain.add({slice(pool, hex("0400000100"))});
  ASSERT_TRUE(sealer.seal(ContentType::handshake, plain, out, pool).has_value());
  EXPECT_EQ(out.size(), 3u);
}

TEST_F(Memory, FatesWaitForTheRecordThatEndsTheData) {
  const auto message = [this](Batch& plain, std::size_t size, int& sent) {
    struct Told : MessageInfo {
      int* sent;
    };
    auto* info = new Told;
    info->sent = &sent;
    info->tell = [](MessageInfo* of, Fate, const Error*) noexcept { ++*static_cast<Told*>(of)->sent; };
    info->release = [](MessageInfo* of) noexcept { delete static_cast<Told*>(of); };
    plain.add({.data = slice(pool, pattern(size)), .info = MessageRef(info)});
  };
  int small = 0, large = 0, empty = 0;
  Batch plain;
  for (int i = 0; i < 3; ++i) message(plain, 50, small);
  message(plain, 3 * kPlaintextMax, large);
  message(plain, 0, empty);
  Batch records = sealed(plain);
  EXPECT_EQ(small + large + empty, 0);
  records.consume(150 + kHeadroom + kTailroom - 1);
  EXPECT_EQ(small, 0);
  records.consume(1);
  EXPECT_EQ(small, 3);
  records.consume(std::size_t{3} * (kPlaintextMax + kHeadroom + kTailroom) - 1);
  EXPECT_EQ(large, 0);
  records.consume(1);
  EXPECT_EQ(large + empty, 2);
}

TEST_F(Memory, APartialRecordIsHeldInABlockOfItsSize) {
  const Batch records = sealed(slice(pool, pattern(kPlaintextMax)));
  const Bytes stream = all_of(records);
  const std::size_t before = pool.live_bytes();
  for (std::size_t i = 0; i + 1 < stream.size(); ++i) {
    Batch received;
    received.add({slice(pool, std::span(stream).subspan(i, 1), 0, 65'536)});  // a byte in a large block
    auto record = cutter.next(received, pool);
    ASSERT_TRUE(record.has_value() && record->size() == 0);
    EXPECT_TRUE(received.empty() && cutter.partial());
    EXPECT_LE(pool.live_bytes() - before, SizeClassPool::kCapacities[2]);
  }
  EXPECT_EQ(pool.live_blocks(), records.size() + 1);
}

TEST_F(Memory, WhatFlowsAllocatesNothing) {
  if (!bench::count_allocations()) GTEST_SKIP() << "a sanitizer has malloc for itself";
  for (const CipherSuite suite : kSuites) {
    const TrafficSecret of = tests::secret(suite);
    RecordSealer seal(key(of, Direction::seal));
    RecordOpener open(key(of, Direction::open));
    Batch plain, records, received;
    const auto turn = [&] {
      for (int i = 0; i < 5; ++i) plain.add({pool.allocate(0, 300, 0)});
      plain.add({pool.allocate(kHeadroom, 5000, kTailroom)});
      plain.add({pool.allocate(0, 60'000, 0)});
      const bool sealed = seal.seal(ContentType::application_data, plain, records, pool).has_value();
      Slice stream = pool.allocate(0, static_cast<std::uint32_t>(records.bytes()), 0);
      std::span<std::byte> rest = stream.edit();
      for (; !records.empty(); records.pop()) {
        const auto bytes = records.front().data.bytes();
        std::ranges::copy(bytes, rest.begin());
        rest = rest.subspan(bytes.size());
      }
      received.add({stream.split_front(30'000)});
      received.add({std::move(stream)});
      std::size_t got = 0;
      for (auto record = cutter.next(received, pool); record->size() > 0; record = cutter.next(received, pool))
        got += open.open(std::move(*record))->payload.size();
      return sealed && got == 66'500;
    };
    bool sound = true;
    for (int i = 0; i < 20; ++i) sound = turn() && sound;
    const std::uint64_t before = bench::allocation_count().calls;
    for (int i = 0; i < 200; ++i) sound = turn() && sound;
    EXPECT_EQ(bench::allocation_count().calls - before, 0u);
    EXPECT_TRUE(sound);
  }
}

}  // namespace
}  // namespace trellis::tls::tests
