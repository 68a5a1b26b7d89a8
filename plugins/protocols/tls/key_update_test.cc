// When our key changes by itself: after as many records as the option allows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "memory_pair.h"

namespace trellis::tls {
namespace {

constexpr std::size_t kKeyUpdateRecord = 5 + 1 + kTag;  // message, inner content type, tag

/// Records of that size.
int count(std::span<const std::byte> bytes, std::size_t of_size) {
  int found = 0;
  while (bytes.size() >= kRecordHeader) {
    const std::size_t size = std::to_integer<std::size_t>(bytes[3]) << 8 | std::to_integer<std::size_t>(bytes[4]);
    found += size == of_size ? 1 : 0;
    bytes = bytes.subspan(kRecordHeader + size);
  }
  return found;
}

TEST(KeyUpdate, AfterSoManyRecords) {
  const std::string pki = TLS_TEST_PKI;
  const std::string anchor = pki + "/ca.pem", certificate = pki + "/server.pem", key = pki + "/server.key";
  const Shared clients(*Settings::from(Given(tls_options(), {{"trust", std::string_view(anchor)},
                                                             {"groups", std::string_view("x25519")},
                                                             {"records-per-key", std::int64_t{4}}})));
  const Shared servers(*Settings::from(Given(tls_options(), {{"certificate", std::string_view(certificate)},
                                                             {"key", std::string_view(key)},
                                                             {"records-per-key", std::int64_t{1000}}})));
  const Security none;
  TestState state, no_state;
  End client(clients, none, state, false), server(servers, none, no_state, true);
  converse(client, server);
  ASSERT_TRUE(client.is_ready && server.is_ready);
  int updates = 0;
  std::string sent;
  for (int i = 0; i < 41; ++i) {
    const std::string text = "message " + std::to_string(i) + ". ";
    sent += text;
    client.send(text);
    const auto bytes = client.take();
    updates += count(bytes, kKeyUpdateRecord);
    server.feed(bytes);
  }
  EXPECT_EQ(server.received(), sent);
  EXPECT_EQ(updates, 10);
  EXPECT_EQ(count(server.take(), kKeyUpdateRecord), 0) << "the server's own key is not due";
}

}  // namespace
}  // namespace trellis::tls
