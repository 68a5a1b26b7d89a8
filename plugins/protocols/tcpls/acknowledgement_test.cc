// What is acknowledged and when, what is kept until then, and what follows when there is no end to it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "memory_session.h"

namespace trellis::tcpls {
namespace {

using namespace std::chrono_literals;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<std::byte> bytes_of(std::initializer_list<int> values) {
  std::vector<std::byte> bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}
/// A Stream frame with one byte.
std::vector<std::byte> one_byte(int offset, bool fin = false) {
  return bytes_of({fin ? 3 : 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, offset, 0, 1, 'x'});
}
std::vector<std::byte> many_bytes(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 31 + i / 251);
  return bytes;
}

struct Acknowledgements : testing::Test {
  Acknowledgements() {
    s.client.send(bytes_of({1, 2, 3}));
    s.converse();
    s.client.pass(25ms);
    s.server.pass(25ms);
    s.converse();
  }
  /// The server sends a record with these frames, which the client takes. Returns its number.
  std::uint64_t from_server(const std::vector<std::byte>& frames) {
    const std::uint64_t number = Tampering::send(*s.server.session, frames);
    s.client.feed(s.server.take());
    return number;
  }
  /// What the client says then.
  std::vector<Frame> answer() {
    const auto records = s.client.take();
    auto frames = Tampering::read(*s.server.session, records);
    if (!records.empty()) s.server.feed(records);
    return frames;
  }
  void expect_ack(std::uint64_t number) {
    const auto said = answer();
    ASSERT_THAT(said, SizeIs(1));
    ASSERT_TRUE(std::holds_alternative<Ack>(said[0]));
    EXPECT_EQ(std::get<Ack>(said[0]), (Ack{0, number}));
  }
  MemorySession s;
};

// TCPLS-22, TCPLS-28, TCPLS-71, TCPLS-72: a Ping is answered at once, by the number of its record.
TEST_F(Acknowledgements, OfAPing) {
  for (int i = 0; i < 3; ++i) expect_ack(from_server(bytes_of({1})));
}
TEST_F(Acknowledgements, NotOfADamagedRecord) {  // TCPLS-71
  Tampering::send(*s.server.session, bytes_of({1}));
  auto record = s.server.take();
  record[7] ^= std::byte{1};
  s.client.feed(record);
  s.client.pass(100ms);
  for (const Frame& frame : answer()) EXPECT_FALSE(std::holds_alternative<Ack>(frame));
}

// TCPLS-24, TCPLS-35, TCPLS-74: acknowledgements, padding and empty records have no answer, so nothing goes to and fro.
TEST_F(Acknowledgements, NotOfAcknowledgements) {
  from_server(bytes_of({4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  from_server(bytes_of({0, 0, 0}));
  from_server({});
  s.client.pass(100ms);
  EXPECT_THAT(answer(), IsEmpty());
}

// TCPLS-75, TCPLS-126: the sixteenth record, or 25 ms; at once for an end and for what leaves a gap.
TEST_F(Acknowledgements, OfData) {
  std::uint64_t last = 0;
  for (int i = 0; i < 15; ++i) last = from_server(one_byte(i));
  EXPECT_THAT(answer(), IsEmpty());
  s.client.pass(24ms);
  EXPECT_THAT(answer(), IsEmpty());
  s.client.pass(1ms);
  expect_ack(last);
  for (int i = 15; i < 31; ++i) last = from_server(one_byte(i));
  expect_ack(last);
}
TEST_F(Acknowledgements, OfAGap) { expect_ack(from_server(one_byte(5))); }
TEST_F(Acknowledgements, OfAnEnd) { expect_ack(from_server(one_byte(0, true))); }

// TCPLS-20, TCPLS-133: a ticket has a number of its connection, and asks for no acknowledgement.
TEST_F(Acknowledgements, NotOfATicket) {
  Tampering::send_handshake(*s.server.session,
                            bytes_of({4, 0, 0, 18, 0, 0, 14, 16, 1, 2, 3, 4, 1, 0, 0, 4, 9, 9, 9, 9, 0, 0}));
  s.client.feed(s.server.take());
  s.client.pass(100ms);
  EXPECT_THAT(answer(), IsEmpty());
  const std::uint64_t number = from_server(bytes_of({1}));
  expect_ack(number);
}

// TCPLS-31: what is longer than a record is cut, so that the records are full: 16 368 bytes, behind the header and a
// byte of padding.
TEST_F(Acknowledgements, ALongMessageIsCut) {
  const auto sent = many_bytes(40'000);
  s.client.send(sent);
  const auto frames = answer();
  ASSERT_THAT(frames, SizeIs(3));
  std::uint64_t offset = 3;
  for (std::size_t i = 0; i < 3; ++i) {
    const auto& data = std::get<StreamData>(frames[i]);
    EXPECT_EQ(data.offset, offset);
    EXPECT_EQ(data.data.size(), i < 2 ? 16'368u : 40'000u - 2 * 16'368u);
    EXPECT_TRUE(std::ranges::equal(data.data.bytes(), std::span(sent).subspan(offset - 3, data.data.size())));
    offset += data.data.size();
  }
}

// TCPLS-77, TCPLS-131: what is kept is bounded; sending pauses, and goes on when the peer has it.
TEST_F(Acknowledgements, SendingPausesUntilTheyCome) {
  const auto sent = many_bytes(300'000);
  s.client.send(sent);
  const auto first = s.client.take();
  EXPECT_GE(first.size(), 64u << 10);
  EXPECT_LE(first.size(), (64u << 10) + tls::kRecordMax + 200);
  s.client.pass(10ms);
  EXPECT_THAT(s.client.take(), IsEmpty());
  s.server.feed(first);
  for (int i = 0; i < 20; ++i) {
    s.server.pass(25ms);
    s.converse();
  }
  EXPECT_EQ(s.server.streams_above[0]->up.batch.bytes(), 3 + sent.size());
}

// TCPLS-108, TCPLS-139: a key that is used up is no error for what was sent: it arrives, and then the session ends.
TEST_F(Acknowledgements, TheKeyIsUsedUp) {
  Tampering::limit(*s.client.session, 1000, 990);
  const auto sent = many_bytes(60'000);
  s.client.send(sent);
  for (int i = 0; i < 20 && !s.client.failure; ++i) {
    s.client.send(bytes_of({1}));
    s.converse();
    s.server.pass(25ms);
    s.converse();
  }
  ASSERT_TRUE(s.client.failure);
  EXPECT_EQ(s.client.failure->reason, Reason::exhausted);
  s.converse();
  EXPECT_FALSE(s.server.failure);
  EXPECT_GE(s.server.streams_above[0]->up.batch.bytes(), 3 + sent.size());
  EXPECT_TRUE(s.server.streams_above[0]->up.finished) << "it heard a close_notify";
}

// TCPLS-83: frames that are lost with a connection come again as they were; acknowledgements and Pings do not.
TEST(Unacked, IsGivenUpInOrder) {
  tls::HeapPool pool;
  const auto slice = [&](std::string_view text) {
    Slice made = pool.allocate(0, static_cast<std::uint32_t>(text.size()), 0);
    std::ranges::copy(std::as_bytes(std::span(text)), made.edit().begin());
    return made;
  };
  Unacked unacked;
  for (std::uint64_t sequence = 0; sequence < 4; ++sequence) {
    unacked.add({.stream = 2, .size = 10, .fin = sequence == 3});
    unacked.add(slice("head" + std::to_string(sequence)));
    unacked.add(slice("tail"));
    unacked.end(sequence, {});
  }
  unacked.end(4, {});  // a Ping
  std::uint32_t acked = 0;
  unacked.acknowledge(0, [](const Unacked::Record&) {}, [&](const Unacked::Part& part) { acked += part.size; });
  EXPECT_EQ(acked, 10u);
  std::vector<std::string> lost;
  const auto keep = [&](const Unacked::Record& record, Slice whole) {
    const auto bytes = whole.bytes();
    lost.push_back(std::to_string(record.sequence) +
                   std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  };
  unacked.give_up(pool, 5, keep);
  EXPECT_THAT(lost, testing::ElementsAre("1head1tail"));
  unacked.give_up(pool, SIZE_MAX, keep);
  EXPECT_THAT(lost, testing::ElementsAre("1head1tail", "2head2tail", "3head3tail", "4"));
  EXPECT_TRUE(unacked.empty());
}

}  // namespace
}  // namespace trellis::tcpls
