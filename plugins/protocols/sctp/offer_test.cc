// offer_test.cc: what an end says about changes of addresses in its INIT.
#include "offer.h"

#include <gmock/gmock.h>

#include "crc32c.h"
#include "octets_of.h"

namespace trellis::sctp {
namespace {

constexpr std::string_view kExtensions = "80080007c1800f00", kChunks = "80030006c1800000", kHmacs = "8004000800030001";
std::string random_of(std::size_t bytes) {
  std::string text = "800200" + std::string(bytes == 32 ? "24" : "14");
  for (std::size_t i = 0; i < bytes; ++i) text += "2a";
  return text;
}
/// A packet with an INIT with these parameters.
std::vector<std::byte> init_with(std::string_view parameters) {
  std::string text(24, '0');
  text +=
      "01000000"
      "00000007"
      "00010000"
      "00400040"
      "00000009";
  auto packet = octets_of(text.append(parameters));
  write_16(packet, 14, packet.size() - 12);
  return packet;
}
Offer read(const std::string& parameters) { return offer_in(octets_of(parameters)); }

TEST(SctpOffer, IsAddedToWhatTheLibraryLists) {
  Random random;
  std::ranges::copy(counted_from(0, 32), random.begin());
  const auto packet = with_offer(init_with("80080006c0820000"
                                           "8000000400000000"),
                                 random);
  ASSERT_FALSE(packet.empty());
  EXPECT_TRUE(packet_is_sound(packet));
  EXPECT_EQ(initiate_tag(packet), 7u);
  EXPECT_EQ(initial_tsn(packet), 9u);
  const auto after = std::span(packet).subspan(32);
  const auto expected = octets_of(
      "80000004"
      "80080009c082c1800f000000"
      "80020024"
      "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
      "80030006c1800000"
      "8004000800030001");
  EXPECT_TRUE(std::ranges::equal(after, expected));
  const Offer offer = offer_in_packet(packet);
  EXPECT_TRUE(offer.complete);
  EXPECT_FALSE(offer.demands_more);
  EXPECT_EQ(offer.hmac, kSha256);
  EXPECT_EQ(offer.key_vector,
            octets_of("80020024000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f80030006c180"
                      "8004000800030001"));
  EXPECT_EQ(own_offer(random).key_vector, offer.key_vector);
}

TEST(SctpOffer, MustBeComplete) {
  const std::string e(kExtensions), c(kChunks), h(kHmacs), r = random_of(32);
  EXPECT_TRUE(read(h + c + r + e).complete) << "in any order";
  EXPECT_FALSE(read(c + h + r).complete);
  EXPECT_FALSE(read(e + h + r).complete);
  EXPECT_FALSE(read(e + c + r).complete);
  EXPECT_FALSE(read(e + c + h).complete);
  EXPECT_FALSE(read(e + c + h + random_of(16)).complete) << "RFC 4895 section 3.1";
  EXPECT_FALSE(read("80080006c1800000" + c + h + r).complete) << "no AUTH";
  EXPECT_FALSE(read("80080006c10f0000" + c + h + r).complete) << "no ASCONF-ACK";
  EXPECT_FALSE(read(e + "80030005c1000000" + h + r).complete) << "whose ASCONF-ACKs would not be believed";
  EXPECT_FALSE(read(e + c + "8004000600020000" + r).complete) << "an algorithm that there is not";
  EXPECT_EQ(read(e + c + "8004000800020001" + r).hmac, kSha1) << "the first one that is known";
  EXPECT_TRUE(read(e + "80030007c1800000" + h + r).demands_more) << "DATA too";
  EXPECT_TRUE(read("80080005c10000008008000680"
                   "0f0000" +
                   c + h + r)
                  .complete)
      << "two lists";
  const Offer twice = read(e + c + h + r + "80030005c1000000");
  EXPECT_TRUE(twice.complete) << "the first one counts";
}

TEST(SctpOffer, OfWhatIsCutOff) {
  const auto whole = octets_of(std::string(kExtensions).append(kChunks).append(kHmacs).append(random_of(32)));
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(offer_in(std::span(whole).first(size)).complete) << size;
  EXPECT_TRUE(with_offer(octets_of("00"), Random()).empty());
  const auto init = init_with("");
  EXPECT_TRUE(with_offer(std::span(init).first(30), Random()).empty());
  EXPECT_FALSE(offer_in_packet(octets_of("00")).complete);
}

}  // namespace
}  // namespace trellis::sctp
