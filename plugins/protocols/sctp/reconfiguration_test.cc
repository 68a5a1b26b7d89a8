// reconfiguration_test.cc: what two ends ask each other, one ASCONF chunk at a time (RFC 5061 section 5), in a time
// that is moved by hand.
#include "reconfiguration.h"

#include <gmock/gmock.h>

#include <deque>

#include "../../../tests/support/given.h"
#include "../tls/still_loop.h"
#include "offer.h"
#include "peer_addresses.h"

namespace trellis::sctp {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

struct HandLoop final : tls::StillLoop {
  void secret(std::span<std::byte>) noexcept override {}
};
AddressRequest to_change(Change change, std::uint8_t last) {
  return {change, {.family = Address::Family::ipv4, .ip = {10, 0, 0, last}}};
}

/// One end; what it sends waits until the test takes it to the other.
struct ChangingEnd final : ReconfigurationOwner {
  ChangingEnd(HandLoop& on, std::uint8_t own, std::uint8_t other, std::uint32_t own_tsn, std::uint32_t peer_tsn)
      : loop(on),
        changing(*this, on, settings, kHeader, {vector_of(own), vector_of(other), kSha256}, own_tsn, peer_tsn) {}
  static std::vector<std::byte> vector_of(std::uint8_t seed) { return own_offer({std::byte{seed}}).key_vector; }
  Cause peer_asks(const AddressRequest& request) noexcept override {
    heard.push_back(request.address.ip[3]);
    return answer;
  }
  void peer_answered(const AddressRequest& request, Cause cause) noexcept override {
    answers.emplace_back(request.address.ip[3], cause);
  }
  Duration send_asconf(std::span<const std::byte> packet, unsigned attempt) noexcept override {
    if (!way_out) return Duration::max();
    attempts.push_back(attempt);
    out.emplace_back(packet.begin(), packet.end());
    return 1s;
  }
  void send_asconf_ack(std::span<const std::byte> packet) noexcept override {
    out.emplace_back(packet.begin(), packet.end());
  }
  void peer_is_silent() noexcept override { silent = true; }
  void peer_answers_nothing() noexcept override { illegal = true; }
  Address known_address() const noexcept override { return {.family = Address::Family::ipv4, .ip = {10, 0, 0, 1}}; }
  void take(const std::vector<std::byte>& packet) {
    std::vector<std::byte> room(packet.size());
    EXPECT_THAT(changing.take(packet, room), IsEmpty()) << "the library sees none of it";
  }
  void give_to(ChangingEnd& other) {
    for (const auto& packet : std::exchange(out, {})) other.take(packet);
  }

  static constexpr std::byte kHeader[kPacketHeader] = {};
  const Settings settings{test::Given(sctp_options(), {})};
  HandLoop& loop;
  std::deque<std::vector<std::byte>> out;
  std::vector<int> heard;
  std::vector<std::pair<int, Cause>> answers;
  std::vector<unsigned> attempts;
  Cause answer = Cause::none;
  bool way_out = true, silent = false, illegal = false;
  Reconfiguration changing;
};

struct SctpReconfiguration : testing::Test {
  HandLoop loop;
  ChangingEnd one{loop, 1, 2, 0xffffffff, 5}, other{loop, 2, 1, 5, 0xffffffff};
  void ask(const AddressRequest& request) { one.changing.ask(std::span(&request, 1)); }
  void exchange() {
    one.give_to(other);
    other.give_to(one);
  }
};

// Serial numbers begin with the initial TSN, here just before they wrap around.
TEST_F(SctpReconfiguration, OneAtATime) {
  for (std::uint8_t i = 1; i <= 3; ++i) ask(to_change(Change::add, i));
  EXPECT_EQ(one.out.size(), 1u);
  EXPECT_TRUE(one.changing.asks(to_change(Change::add, 3)));
  exchange();
  EXPECT_THAT(other.heard, ElementsAre(1));
  exchange();
  EXPECT_THAT(other.heard, ElementsAre(1, 2, 3)) << "what waited goes together";
  EXPECT_THAT(one.answers,
              ElementsAre(std::pair(1, Cause::none), std::pair(2, Cause::none), std::pair(3, Cause::none)));
  EXPECT_FALSE(one.changing.asks(to_change(Change::add, 3)));
  EXPECT_FALSE(one.illegal);
}

TEST_F(SctpReconfiguration, BothAtOnce) {
  ask(to_change(Change::add, 1));
  const auto theirs = to_change(Change::remove, 9);
  other.changing.ask(std::span(&theirs, 1));
  exchange();
  exchange();
  EXPECT_THAT(other.heard, ElementsAre(1));
  EXPECT_THAT(one.heard, ElementsAre(9));
  EXPECT_THAT(one.answers.size(), 1u);
  EXPECT_THAT(other.answers.size(), 1u);
}

// A request that comes twice is done once, and answered twice.
TEST_F(SctpReconfiguration, Duplicates) {
  ask(to_change(Change::add, 1));
  const auto request = one.out.front();
  exchange();
  other.take(request);
  ASSERT_EQ(other.out.size(), 1u);
  EXPECT_THAT(other.heard, ElementsAre(1));
  const auto answer = other.out.front();
  other.give_to(one);
  one.take(answer);
  EXPECT_EQ(one.answers.size(), 1u);
  EXPECT_FALSE(one.illegal);
  ask(to_change(Change::add, 2));
  exchange();
  other.take(request);
  EXPECT_THAT(other.out, IsEmpty()) << "it has had its answer long ago";
}

// The time doubles up to the longest RTO, and ends.
TEST_F(SctpReconfiguration, IsSentAgain) {
  ask(to_change(Change::add, 1));
  const auto first = one.out.front();
  Duration wait = 1s, longest = 10s;
  for (unsigned i = 1; i <= 10; ++i) {
    EXPECT_EQ(one.changing.due(), loop.time + wait) << i;
    one.changing.run();
    EXPECT_EQ(one.attempts.size(), i) << "not before its time";
    loop.time = one.changing.due();
    one.changing.run();
    EXPECT_EQ(one.out.back(), first);
    wait = std::min(wait * 2, longest);
  }
  EXPECT_FALSE(one.silent);
  loop.time = one.changing.due();
  one.changing.run();
  EXPECT_TRUE(one.silent);
  EXPECT_EQ(one.changing.due(), TimePoint::max());
}

TEST_F(SctpReconfiguration, WaitsForAWayOut) {
  one.way_out = false;
  ask(to_change(Change::add, 1));
  EXPECT_EQ(one.changing.due(), TimePoint::max());
  one.way_out = true;
  one.changing.go_on();
  exchange();
  EXPECT_THAT(one.answers, ElementsAre(std::pair(1, Cause::none)));
}

// Who does not know how is not asked again (section 5.3 F3); nothing follows a lack of room (F11).
TEST_F(SctpReconfiguration, Refusals) {
  other.answer = Cause::resource_shortage;
  const AddressRequest two[] = {to_change(Change::add, 1), to_change(Change::remove, 2)};
  one.changing.ask(two);
  exchange();
  EXPECT_THAT(other.heard, ElementsAre(1));
  EXPECT_THAT(one.answers, ElementsAre(std::pair(1, Cause::resource_shortage), std::pair(2, Cause::resource_shortage)));
  EXPECT_TRUE(one.changing.can(Change::add));
  other.answer = Cause::unrecognized_parameters;
  ask(to_change(Change::prefer, 1));
  exchange();
  EXPECT_FALSE(one.changing.can(Change::prefer));
  EXPECT_TRUE(one.changing.can(Change::add));
}

TEST_F(SctpReconfiguration, AnotherAssociationsKey) {
  ChangingEnd stranger(loop, 3, 1, 5, 0xffffffff);
  ask(to_change(Change::add, 1));
  stranger.take(one.out.front());
  EXPECT_THAT(stranger.heard, IsEmpty());
  EXPECT_THAT(stranger.out, IsEmpty());
}

}  // namespace
}  // namespace trellis::sctp
