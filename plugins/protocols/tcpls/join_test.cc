// The messages of an apparent handshake, whole, cut off and wrong.
#include "join.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace trellis::tcpls {
namespace {

using Bytes = std::vector<std::byte>;

void put(Bytes& to, std::size_t value, unsigned size) {
  while (size-- > 0) to.push_back(static_cast<std::byte>(value >> (8 * size)));
}

Bytes hello(const std::function<void(Bytes&)>& extensions) {
  Bytes list;
  extensions(list);
  Bytes body;
  put(body, 0x0303, 2);
  body.resize(body.size() + 32, std::byte{7});
  put(body, 32, 1);
  body.resize(body.size() + 32, std::byte{9});
  put(body, 2, 2);
  put(body, 0x1301, 2);
  put(body, 1, 1);
  put(body, 0, 1);
  put(body, list.size(), 2);
  body.insert(body.end(), list.begin(), list.end());
  Bytes record;
  put(record, 22, 1);
  put(record, 0x0301, 2);
  put(record, body.size() + 4, 2);
  put(record, 1, 1);
  put(record, body.size(), 3);
  record.insert(record.end(), body.begin(), body.end());
  return record;
}
void join(Bytes& to, std::uint16_t code, bool with_length) {
  put(to, code, 2);
  put(to, with_length ? 33 : 32, 2);
  if (with_length) put(to, 32, 1);
  to.resize(to.size() + 32, std::byte{5});
}

// TCPLS-57, TCPLS-142
TEST(Join, BothFormsOfTheToken) {
  for (const bool with_length : {true, false}) {
    auto read = read_client_hello(hello([&](Bytes& to) { join(to, 0xFF65, with_length); }), kPrivateUse);
    ASSERT_TRUE(read) << read.error().detail;
    ASSERT_TRUE(read->join);
    EXPECT_EQ((*read->join)[31], std::byte{5});
    EXPECT_EQ(read->session_id.size(), 32u);
  }
  auto other = read_client_hello(hello([&](Bytes& to) { join(to, 101, true); }), kPrivateUse);
  ASSERT_TRUE(other);
  EXPECT_FALSE(other->join) << "another code point is another extension";
}

// TCPLS-10: tcpls twice. TCPLS-57: so with tcpls_join. TCPLS-142: a token of another length.
TEST(Join, WhatIsWrong) {
  EXPECT_EQ(read_client_hello(hello([](Bytes& to) {
                                for (int i = 0; i < 2; ++i) put(to, 0xFF64, 2), put(to, 0, 2);
                              }),
                              kPrivateUse)
                .error()
                .code,
            47u);
  EXPECT_EQ(read_client_hello(hello([](Bytes& to) {
                                join(to, 0xFF65, true);
                                join(to, 0xFF65, true);
                              }),
                              kPrivateUse)
                .error()
                .code,
            47u);
  EXPECT_EQ(read_client_hello(hello([](Bytes& to) {
                                put(to, 0xFF65, 2);
                                put(to, 3, 2);
                                put(to, 0, 3);
                              }),
                              kPrivateUse)
                .error()
                .code,
            50u);
  const Bytes whole = hello([](Bytes& to) { join(to, 0xFF65, true); });
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    auto read = read_client_hello(std::span(whole).first(cut), kPrivateUse);
    EXPECT_TRUE(!read || !read->join) << cut;
  }
}

}  // namespace
}  // namespace trellis::tcpls
