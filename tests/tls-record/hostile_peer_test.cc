// A peer that breaks the record protocol is told by the right alert, and nothing of what it sent comes through.
#include "record_world.h"

namespace trellis::tls::tests {
namespace {

using enum AlertDescription;

constexpr int kAlert = 21, kHandshake = 22, kData = 23;

struct HostilePeer : testing::TestWithParam<CipherSuite> {
  TrafficSecret secret = tests::secret(GetParam());
  Forger peer{secret};
  Receiver receiver{secret};
};
INSTANTIATE_TEST_SUITE_P(Suites, HostilePeer, testing::ValuesIn(kSuites));

// TCPLS-114
TEST_P(HostilePeer, ChangesABit) {
  const Bytes sound = peer.record(text("attack at dawn"), kData);
  for (std::size_t byte = 0; byte < sound.size(); ++byte) {
    if (byte == 0 || byte == 3 || byte == 4) continue;  // type and length have tests of their own
    for (unsigned bit = 0; bit < 8; ++bit) {
      Bytes damaged = sound;
      damaged[byte] ^= static_cast<std::byte>(1u << bit);
      Receiver receiver{secret};
      receiver.take(damaged);
      EXPECT_EQ(receiver.alert(), bad_record_mac) << byte << '.' << bit;
      EXPECT_TRUE(receiver.received.empty());
    }
  }
  receiver.take(sound);
  EXPECT_EQ(receiver.data(), text("attack at dawn"));
}

TEST_P(HostilePeer, WhatWasNotAuthenticIsWiped) {
  Bytes damaged = peer.record(text("attack at dawn"), kData);
  damaged.back() ^= std::byte{1};
  const auto aead_key = key(secret, Direction::open);
  const std::span<std::byte> all(damaged);
  const auto inner = all.subspan(kRecordHeader, all.size() - kRecordHeader - kTag);
  EXPECT_FALSE(aead_key->aead().open(aead_key->nonce(0, 0), all.first(kRecordHeader), inner, all.last<kTag>()));
  EXPECT_EQ(Bytes(inner.begin(), inner.end()), Bytes(inner.size()));
  // The key still opens what is authentic.
  Slice sound = slice(receiver.pool, Forger(secret).record(text("x"), kData));
  EXPECT_TRUE(RecordOpener(aead_key).open(std::move(sound)).has_value());
}

TEST_P(HostilePeer, RepeatsDropsOrReordersARecord) {
  const Bytes first = peer.record(text("first"), kData), second = peer.record(text("second"), kData);
  Receiver repeated{secret}, dropped{secret};
  repeated.take(first);
  repeated.take(first);
  EXPECT_EQ(repeated.alert(), bad_record_mac);
  EXPECT_EQ(repeated.data(), text("first"));
  dropped.take(second);
  EXPECT_EQ(dropped.alert(), bad_record_mac);
}

TEST_P(HostilePeer, SendsTooLongARecord) {
  receiver.take(hex("1703034101"));  // 2^14 + 257 bytes: the header alone tells
  EXPECT_EQ(receiver.alert(), record_overflow);
  Receiver plain{secret};
  plain.take(hex("1603034001"));  // 2^14 + 1 bytes, unprotected
  EXPECT_EQ(plain.alert(), record_overflow);
}

TEST_P(HostilePeer, SendsTooMuchInARecord) {
  receiver.take(peer.record(pattern(kPlaintextMax), kData));
  EXPECT_EQ(receiver.data().size(), kPlaintextMax);
  receiver.take(peer.record(pattern(kPlaintextMax + 1), kData));
  EXPECT_EQ(receiver.alert(), record_overflow);
}

TEST_P(HostilePeer, PadsARecordBeyondItsSize) {
  receiver.take(peer.record(text("x"), kData, kPlaintextMax - 1));
  EXPECT_EQ(receiver.data(), text("x"));
  receiver.take(peer.record(text("x"), kData, kPlaintextMax));
  EXPECT_EQ(receiver.alert(), record_overflow);
}

// TCPLS-18
TEST_P(HostilePeer, PaddingIsStrippedAndZerosOfTheContentAreNot) {
  for (const std::size_t padding : {0, 1, 15, 16, 300}) {
    receiver.take(peer.record(hex("61000000"), kData, padding));
    ASSERT_EQ(receiver.received.size(), 1u);
    EXPECT_EQ(receiver.received[0].payload, hex("61000000"));
    receiver.received.clear();
  }
}

TEST_P(HostilePeer, SendsPaddingOnly) {
  receiver.take(peer.around(Bytes(100)));
  EXPECT_EQ(receiver.alert(), unexpected_message);
}
TEST_P(HostilePeer, SendsAsMuchPaddingAsFits) {
  receiver.take(peer.around(Bytes(kPlaintextMax + 1)));
  EXPECT_EQ(receiver.alert(), unexpected_message);
}

TEST_P(HostilePeer, SendsLessThanATag) {
  for (unsigned size = 0; size <= kTag; ++size) {
    Receiver receiver{secret};
    Bytes record = hex("1703030000");
    record[4] = static_cast<std::byte>(size);
    record.resize(kRecordHeader + size);
    receiver.take(record);
    EXPECT_EQ(receiver.alert(), bad_record_mac) << size;
  }
  receiver.take(peer.around({}));  // a sound tag of nothing
  EXPECT_EQ(receiver.alert(), bad_record_mac);
}

TEST_P(HostilePeer, SendsAnInnerTypeThatMayNotBeProtected) {
  for (const int type : {1, 20, 24, 25, 255}) {
    Receiver receiver{secret};
    receiver.take(Forger(secret).record(text("x"), type));
    EXPECT_EQ(receiver.alert(), unexpected_message) << type;
  }
}

TEST_P(HostilePeer, SendsAnUnprotectedRecord) {
  for (const char* record : {"140303000101", "15030300020100",
                             "1603030004"
                             "04000000",
                             "140303000102"}) {
    Receiver receiver{secret};
    receiver.take(hex(record));
    EXPECT_EQ(receiver.alert(), unexpected_message) << record;
    EXPECT_FALSE(receiver.opener.closed());
  }
}

TEST_P(HostilePeer, ClaimsAnotherOuterTypeForAProtectedRecord) {
  for (const int type : {20, 21, 22}) {
    Receiver receiver{secret};
    receiver.take(Forger(secret).record(text("x"), kData, 0, type));
    EXPECT_EQ(receiver.alert(), unexpected_message) << type;
  }
}

TEST_P(HostilePeer, SpeaksSomethingElse) {
  receiver.take(text("HTTP/1.1 400 Bad Request\r\n"));
  EXPECT_EQ(receiver.alert(), unexpected_message);
  EXPECT_EQ(receiver.error->detail, "a TLS record was expected, and the peer sent one of type 72, which there is not");
}

TEST_P(HostilePeer, FloodsWithEmptyRecords) {
  for (int i = 0; i < RecordOpener::kFruitlessMax; ++i) receiver.take(peer.record({}, kData));
  EXPECT_FALSE(receiver.error);
  receiver.take(peer.record(text("x"), kData));  // begins anew
  for (int i = 0; i < RecordOpener::kFruitlessMax; ++i) receiver.take(peer.record({}, kData, 100));
  EXPECT_FALSE(receiver.error);
  receiver.take(peer.record({}, kData));
  EXPECT_EQ(receiver.alert(), unexpected_message);
}

TEST_P(HostilePeer, FloodsWithUserCanceled) {
  for (int i = 0; i < RecordOpener::kFruitlessMax; ++i) receiver.take(peer.record(hex("015a"), kAlert));
  EXPECT_FALSE(receiver.error);
  EXPECT_FALSE(receiver.opener.closed());
  receiver.take(peer.record(hex("015a"), kAlert));
  EXPECT_EQ(receiver.alert(), unexpected_message);
}

TEST_P(HostilePeer, FloodsWithKeyUpdates) {
  TrafficSecret sending = secret;
  for (int i = 0; i <= RecordOpener::kFruitlessMax; ++i) {
    EXPECT_FALSE(receiver.error);
    receiver.take(peer.record(hex("1800000100"), kHandshake));
    sending = *sending.next();
    peer.rekey(sending);
  }
  EXPECT_EQ(receiver.alert(), unexpected_message);
}

TEST_P(HostilePeer, SendsDataAfterCloseNotify) {
  receiver.take(peer.record(text("before"), kData));
  receiver.take(peer.record(hex("0100"), kAlert));
  receiver.take(peer.record(text("after"), kData));
  receiver.take(
      hex("1703030011"
          "0000000000000000000000000000000000"));  // not even authentic
  EXPECT_FALSE(receiver.error);
  EXPECT_TRUE(receiver.opener.closed());
  EXPECT_EQ(receiver.data(), text("before"));
  EXPECT_EQ(receiver.received.back().type, ContentType::invalid);
}

TEST_P(HostilePeer, SendsDataAfterAFatalAlert) {
  receiver.take(peer.record(hex("0150"), kAlert));  // its level is wrong, which does not count
  receiver.take(peer.record(text("after"), kData));
  EXPECT_TRUE(receiver.opener.closed());
  EXPECT_EQ(receiver.received[0].alert, internal_error);
  EXPECT_TRUE(receiver.data().empty());
}

TEST_P(HostilePeer, SendsAMalformedAlert) {
  const std::pair<const char*, AlertDescription> cases[] = {
      {"", unexpected_message}, {"01", decode_error}, {"010002", decode_error}, {"01000100", decode_error}};
  for (const auto& [content, expected] : cases) {
    Receiver receiver{secret};
    receiver.take(Forger(secret).record(hex(content), kAlert));
    EXPECT_EQ(receiver.alert(), expected) << content;
    EXPECT_FALSE(receiver.opener.closed());
  }
}

TEST_P(HostilePeer, InterruptsAHandshakeMessage) {
  const std::pair<int, const char*> interruptions[] = {{kData, "78"}, {kData, ""}, {kAlert, "0100"}, {kAlert, "015a"}};
  for (const char* begun : {"04", "040000", "04000003", "04000003aabb"}) {
    for (const auto& [type, content] : interruptions) {
      Receiver receiver{secret};
      Forger peer{secret};
      receiver.take(peer.record(hex(begun), kHandshake));
      EXPECT_FALSE(receiver.error);
      receiver.take(peer.record(hex(content), type));
      EXPECT_EQ(receiver.alert(), unexpected_message) << begun << ' ' << type;
      EXPECT_FALSE(receiver.opener.closed());
    }
  }
}

TEST_P(HostilePeer, HandshakeMessagesMayBeCutAndJoined) {
  for (const char* part : {"04", "0000", "03aa",
                           "bbcc"
                           "04000000"
                           "0400",
                           "0001ee"})
    receiver.take(peer.record(hex(part), kHandshake));
  receiver.take(peer.record(text("x"), kData));
  EXPECT_FALSE(receiver.error);
  EXPECT_EQ(receiver.data(), text("x"));
  for (const char* part : {"180000", "01", "01"}) receiver.take(peer.record(hex(part), kHandshake));
  EXPECT_EQ(receiver.received.back().key_update, KeyUpdate::update_requested);
}

TEST_P(HostilePeer, SendsAMalformedHandshakeRecord) {
  const std::pair<const char*, AlertDescription> cases[] = {
      {"", unexpected_message},                    // handshake records may not be empty
      {"04010001", illegal_parameter},             // 64 KiB and a byte
      {"1800000102", illegal_parameter},           // request_update is 0 or 1
      {"18000000", decode_error},                  // a KeyUpdate of no bytes
      {"180000020000", decode_error},              // and of two
      {"180000010004000000", unexpected_message},  // more under the old key behind a KeyUpdate
  };
  for (const auto& [content, expected] : cases) {
    Receiver receiver{secret};
    receiver.take(Forger(secret).record(hex(content), kHandshake));
    EXPECT_EQ(receiver.alert(), expected) << content;
  }
}

TEST_P(HostilePeer, GoesOnWithItsOldKeyAfterAKeyUpdate) {
  receiver.take(peer.record(hex("1800000100"), kHandshake));
  receiver.take(peer.record(text("x"), kData));
  EXPECT_EQ(receiver.alert(), bad_record_mac);
}

TEST_P(HostilePeer, StopsWithinARecord) {
  const Bytes record = peer.record(text("x"), kData);
  for (std::size_t size = 1; size < record.size(); ++size) {
    Receiver receiver{secret};
    receiver.take(std::span(record).first(size));
    EXPECT_FALSE(receiver.error);
    EXPECT_TRUE(receiver.cutter.partial()) << size;
    EXPECT_TRUE(receiver.received.empty());
  }
}

// TCPLS-39
TEST_P(HostilePeer, SequenceNumbersDoNotWrap) {
  SizeClassPool pool;
  RecordSealer sealer(key(secret, Direction::seal), 0, UINT64_MAX - 1);
  RecordOpener opener(key(secret, Direction::open), 0, UINT64_MAX - 1);
  Batch plain, records;
  for (int i = 0; i < 2; ++i) plain.add({slice(pool, pattern(5000))});
  const auto second = sealer.seal(ContentType::application_data, plain, records, pool);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().reason, Reason::exhausted);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(plain.bytes(), 5000u);
  EXPECT_EQ(sealer.sequence(), UINT64_MAX);
  EXPECT_FALSE(sealer.seal(close_notify, records, pool).has_value());
  Slice record = slice(pool, all_of(records));
  EXPECT_TRUE(opener.open(slice(pool, record.bytes())).has_value());
  const auto again = opener.open(std::move(record));
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().code, static_cast<std::uint64_t>(internal_error));
}

// TCPLS-108
TEST_P(HostilePeer, AKeySealsNoMoreThanItMay) {
  SizeClassPool pool;
  const auto shared = key(secret, Direction::seal);
  shared->limit({.update = 2, .last = 3});
  RecordSealer first(shared, 0), second(shared, 1);
  Batch out;
  ASSERT_TRUE(first.seal(close_notify, out, pool).has_value());
  EXPECT_FALSE(second.wants_update());
  ASSERT_TRUE(second.seal(close_notify, out, pool).has_value());
  EXPECT_TRUE(first.wants_update());
  Batch plain;
  plain.add({slice(pool, pattern(40'000))});
  const auto failed = first.seal(ContentType::application_data, plain, out, pool);
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().reason, Reason::exhausted);
  EXPECT_EQ(plain.bytes(), 40'000u - kPlaintextMax);
  first.rekey(key(*secret.next(), Direction::seal));
  EXPECT_TRUE(first.seal(ContentType::application_data, plain, out, pool).has_value());
  EXPECT_FALSE(first.wants_update());
}

TEST(UsageLimit, IsThatOfRfc8446) {
  for (const CipherSuite suite : {CipherSuite::aes_128_gcm_sha256, CipherSuite::aes_256_gcm_sha384}) {
    EXPECT_EQ(usage_limit(suite).last, 23'726'566u);  // 2^24.5
    EXPECT_LT(usage_limit(suite).update, usage_limit(suite).last);
  }
  EXPECT_EQ(usage_limit(CipherSuite::chacha20_poly1305_sha256).last, UINT64_MAX);
}

}  // namespace
}  // namespace trellis::tls::tests
