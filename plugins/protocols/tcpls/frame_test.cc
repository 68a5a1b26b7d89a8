// The wire format against the vectors of the draft's catalogue, and everything
// that is not a frame.
#include "frame.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "heap_pool.h"
#include "record/record_sealer.h"

namespace trellis::tcpls {
namespace {

tls::HeapPool pool;

std::vector<std::byte> from_hex(std::string_view hex) {
  std::vector<std::byte> bytes;
  std::string digits;
  for (const char c : hex) {
    if (c == ' ') continue;
    digits += c;
    if (digits.size() < 2) continue;
    bytes.push_back(static_cast<std::byte>(std::stoi(digits, nullptr, 16)));
    digits.clear();
  }
  return bytes;
}
std::string to_hex(std::span<const std::byte> bytes) {
  std::string hex;
  for (const std::byte b : bytes) {
    constexpr const char* kDigits = "0123456789abcdef";
    hex += kDigits[std::to_integer<unsigned>(b) >> 4];
    hex += kDigits[std::to_integer<unsigned>(b) & 15];
  }
  return hex;
}
Slice slice(std::span<const std::byte> bytes) {
  Slice made = pool.allocate(0, static_cast<std::uint32_t>(bytes.size()), 0);
  if (!bytes.empty()) std::memcpy(made.edit().data(), bytes.data(), bytes.size());
  return made;
}
std::span<const std::byte> text(std::string_view t) { return std::as_bytes(std::span(t)); }
Token counting_token() {
  Token token;
  for (std::size_t i = 0; i < token.size(); ++i) token[i] = static_cast<std::byte>(i);
  return token;
}

template <class Put>
std::string written(const Put& put) {
  std::vector<std::byte> room(100);
  FrameWriter writer(room);
  put(writer);
  return to_hex(std::span(room).first(writer.written()));
}

// TCPLS-21, TCPLS-22, TCPLS-23, TCPLS-24, TCPLS-25, TCPLS-26, TCPLS-29, TCPLS-33, TCPLS-143
TEST(Frames, Vectors) {
  EXPECT_EQ(written([](FrameWriter& w) { w.pad(1); }), "00");
  EXPECT_EQ(written([](FrameWriter& w) { w.put(Ping{}); }), "01");
  EXPECT_EQ(written([](FrameWriter& w) { w.put(0, 0, text("hello"), true); }),
            "03000000000000000000000000000568656c6c6f");
  EXPECT_EQ(written([](FrameWriter& w) { w.put(3, 0x0102030405060708, text("AB"), false); }),
            "0200000003010203040506070800024142");
  EXPECT_EQ(written([](FrameWriter& w) { w.put(Ack{1, 5}); }), "04000000010000000000000005");
  EXPECT_EQ(written([](FrameWriter& w) { w.put(NewToken{1, counting_token()}); }),
            "0501000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
  EXPECT_EQ(written([](FrameWriter& w) { w.put(ConnectionReset{2}); }), "0600000002");
}

// TCPLS-3, TCPLS-14, TCPLS-15, TCPLS-19, TCPLS-27: back to back, in their
// order, padding between them.
TEST(Frames, ReadFrontToBack) {
  std::vector<std::byte> room(200);
  FrameWriter writer(room);
  writer.put(2, 7, text("abcdef"), false);
  writer.pad(3);
  writer.put(Ping{});
  writer.put(Ack{9, 1ull << 40});
  writer.put(NewToken{4, counting_token()});
  writer.put(ConnectionReset{255});
  writer.put(5, 0, {}, true);
  writer.pad(2);
  FrameReader reader(slice(std::span(room).first(writer.written())));
  const auto next = [&] {
    auto frame = reader.next();
    EXPECT_TRUE(frame && *frame);
    return std::move(**frame);
  };
  const Frame first = next();
  EXPECT_EQ(std::get<StreamData>(first).stream, 2u);
  EXPECT_EQ(std::get<StreamData>(first).offset, 7u);
  EXPECT_EQ(to_hex(std::get<StreamData>(first).data.bytes()), "616263646566");
  EXPECT_TRUE(std::holds_alternative<Ping>(next()));
  EXPECT_EQ(std::get<Ack>(next()), (Ack{9, 1ull << 40}));
  EXPECT_EQ(std::get<NewToken>(next()), (NewToken{4, counting_token()}));
  EXPECT_EQ(std::get<ConnectionReset>(next()), (ConnectionReset{255}));
  EXPECT_TRUE(std::get<StreamData>(next()).fin);
  auto end = reader.next();
  ASSERT_TRUE(end);
  EXPECT_FALSE(*end);
}

// TCPLS-99, TCPLS-100
TEST(Frames, WhatIsNone) {
  for (unsigned type = 7; type < 256; ++type) {
    auto frame = FrameReader(slice(std::vector{static_cast<std::byte>(type)})).next();
    ASSERT_FALSE(frame);
    EXPECT_EQ(frame.error().code, 47u);
  }
  for (const char* whole : {"030000000000000000000000000005 68656c6c6f", "04000000010000000000000005",
                            "0501000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "0600000002"}) {
    const auto bytes = from_hex(whole);
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
      auto frame = FrameReader(slice(std::span(bytes).first(cut))).next();
      ASSERT_FALSE(frame) << whole << " cut at " << cut;
      EXPECT_EQ(frame.error().code, 50u);
    }
  }
}

// The records V1 to V5: keys of the RFC 8448 handshake. TCPLS-5, TCPLS-13,
// TCPLS-17, TCPLS-36, TCPLS-38
TEST(Frames, SealedVectors) {
  const auto key = [](const char* secret, const char* iv) {
    return *tls::RecordKey::make(tls::CipherSuite::aes_128_gcm_sha256, from_hex(secret), from_hex(iv),
                                 tls::Direction::seal);
  };
  const auto client = key("17422dda596ed5d9acd890e3c63f5051", "5b78923dee08579033e523d9");
  const auto server = key("9f02283b6c9c07efc26bb9f2ac92e356", "cf782b88dd83549aadf1e984");
  const auto sealed = [&](const auto& with, std::uint32_t connection, std::uint64_t sequence, const auto& put) {
    std::vector<std::byte> room(100);
    FrameWriter writer(room);
    put(writer);
    Batch out;
    tls::RecordSealer sealer(with, connection, sequence);
    EXPECT_TRUE(
        sealer.seal(tls::ContentType::application_data, slice(std::span(room).first(writer.written())), out, pool));
    return to_hex(out.front().data.bytes());
  };
  const auto hello = [](FrameWriter& w) { w.put(0, 0, text("hello"), true); };
  EXPECT_EQ(sealed(client, 0, 0, hello),
            "1703030025a13e7257b22992d7a7f3f48924b75eac9ad1943efa952147db74d80b"
            "2163bec6e59c18e9a5");
  EXPECT_EQ(sealed(client, 1, 0, hello),
            "170303002522da8cb9042f6f8c8f97e4938fbf859843fe1a6c2eca76d685c1cb80"
            "710b131867fe45e7e2");
  EXPECT_EQ(sealed(server, 1, 0,
                   [](FrameWriter& w) {
                     w.put(Ping{});
                     w.put(Ack{1, 0});
                   }),
            "170303001fe9059f4c55369e4cce1491ef7a4f4595a013a065804790a7db7c9c86"
            "7525a3");
  EXPECT_EQ(sealed(server, 0, 1, [](FrameWriter& w) { w.put(NewToken{1, counting_token()}); }),
            "17030300332b937c13e94cc542eb36af340659c6a6772cfe3023d65d80a41534e108fcfb"
            "7faed8eabb61542df68457e58c058fbf520"
            "d9d60");
  Batch out;
  tls::RecordSealer sealer(client, 1, 1);
  ASSERT_TRUE(sealer.seal(tls::AlertDescription::close_notify, out, pool));
  EXPECT_EQ(to_hex(out.front().data.bytes()), "1703030013b810fb7399d3f953a16a680133c70b319783e5");
}

// TCPLS-113: no connection that a session can have shares a nonce with another one.
TEST(Frames, NoncesAreUnique) {
  const auto key = *tls::RecordKey::make(tls::CipherSuite::aes_128_gcm_sha256, std::vector<std::byte>(16),
                                         from_hex("5b78923dee08579033e523d9"), tls::Direction::seal);
  std::set<std::array<std::byte, tls::kNonce>> seen;
  std::size_t made = 0;
  for (std::uint32_t connection = 0; connection < 256; ++connection) {
    for (const std::uint64_t base : {std::uint64_t{0}, std::uint64_t{0xffffff80}, UINT64_MAX - 128}) {
      for (std::uint64_t i = 0; i < 128; ++i, ++made) seen.insert(key->nonce(connection, base + i));
    }
  }
  EXPECT_EQ(seen.size(), made);
}

}  // namespace
}  // namespace trellis::tcpls
